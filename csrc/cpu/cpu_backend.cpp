#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "cpu/crop_resize.h"
#include "cpu/kernels.h"
#include "cpu/propose.h"
#include "error.h"

namespace trtmtcnn::cpu {
namespace {

// Crops that one worker's network sees at a time: enough for its dense layers to use each weight often.
constexpr int kCropBatch = 8;

int ceil_div(int a, int b) { return (a + b - 1) / b; }

// To the other side of the picture; in place, too.
void mirror(const float* pixels, int side, float* out) {
  for (int y = 0; y < side; ++y, pixels += 3 * side, out += 3 * side) {
    for (int left = 0, right = side - 1; left <= right; ++left, --right) {
      for (int c = 0; c < 3; ++c) {
        const float before = pixels[3 * left + c];
        out[3 * left + c] = pixels[3 * right + c];
        out[3 * right + c] = before;
      }
    }
  }
}

// Grows only, so that a buffer's address stays what engines have bound.
void reserve_floats(std::vector<float>& buffer, int64_t n) {
  if (static_cast<int64_t>(buffer.size()) < n) buffer.resize(static_cast<size_t>(n));
}

}  // namespace

CpuBackend::CpuBackend(std::shared_ptr<ThreadPool> pool)
    : pool_(std::move(pool)), scratch_(pool_->threads()), workers_(pool_->threads()) {}

void CpuBackend::load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) {
  if (frames_.size() < images.size()) frames_.resize(images.size());
  unload();  // a load that fails leaves no view of another call's pictures
  arena_.reset();
  frame_count_ = static_cast<int>(images.size());
  for (size_t i = 0; i < images.size(); ++i) frames_[i].load(images[i], sizes[i], mode, *pool_, scratch_[0], arena_);
}

void CpuBackend::unload() {
  for (Frame& frame : frames_) frame.unload();
  frame_count_ = 0;
  boxes_.clear();  // they name frames
  landmarks_.clear();
}

void CpuBackend::begin(std::span<const Level> levels) {
  boxes_.clear();
  landmarks_.clear();
  const bool same = std::equal(levels.begin(), levels.end(), levels_.begin(), levels_.end(),
                               [](const Level& a, const Level& b) { return a.size == b.size && a.frame == b.frame; }) &&
                    std::equal(frames_.begin(), frames_.begin() + frame_count_, axes_frames_.begin(),
                               axes_frames_.end(), [](const Frame& f, Size s) { return f.size() == s; });
  levels_.assign(levels.begin(), levels.end());
  if (same) return;
  axes_.clear();
  axes_frames_.clear();
  for (int f = 0; f < frame_count_; ++f) axes_frames_.push_back(frames_[f].size());
}

void CpuBackend::set_axes(Resize mode) {
  if (axes_.size() == levels_.size() && mode == axes_mode_) return;
  axes_.resize(levels_.size());
  axes_mode_ = mode;
  for (size_t l = 0; l < levels_.size(); ++l) {
    const Level& level = levels_[l];
    const Size frame = frames_[level.frame].size();
    const Source source = Source::choose(frames_[level.frame], mode, frame.height, frame.width, level.size);
    const double height = source.extent(frame.height), width = source.extent(frame.width);
    axes_[l].vertical.set(mode, 0, height, level.size.height, height, source.image.height);
    axes_[l].horizontal.set(mode, 0, width, level.size.width, width, source.image.width, kPixelScale);
  }
}

// Bands large enough that the rows they share with their neighbours are few; enough of them to keep all busy.
int CpuBackend::split_into_bands() {
  int64_t cells = 0;
  for (const Level& level : levels_) cells += int64_t{grid_cells(level.size.height)} * grid_cells(level.size.width);
  const int64_t share = cells / (4 * pool_->threads()) + 1;
  int n = 0;
  for (size_t l = 0; l < levels_.size(); ++l) {
    const int height = grid_cells(levels_[l].size.height), width = grid_cells(levels_[l].size.width);
    if (height == 0 || width == 0) continue;
    const int rows = static_cast<int>(std::clamp<int64_t>(share / width, 32, height > 32 ? height : 32));
    const int count = pool_->threads() == 1 ? 1 : (height + rows - 1) / rows;
    for (int i = 0; i < count; ++i, ++n) {
      if (static_cast<int>(bands_.size()) == n) bands_.emplace_back();
      bands_[n].level = static_cast<int>(l);
      const auto bound = [&](int of) { return static_cast<int>(int64_t{height} * of / count) / 4 * 4; };
      bands_[n].first = bound(i);
      bands_[n].last = i + 1 == count ? height : bound(i + 1);  // rows are made four at a time
      bands_[n].boxes.clear();
    }
  }
  return n;
}

bool CpuBackend::propose_levels(std::span<const Level> levels, const Engine& engine, float threshold, Resize mode) {
  const auto* native = dynamic_cast<const NativeEngine*>(&engine);
  if (!native) return false;
  if (native->net().net() != Net::kPnet) throw EngineError("the first engine is not a P-Net");
  begin(levels);
  set_axes(mode);
  const int n = split_into_bands();
  pool_->parallel_for(n, 1, [&](int first, int last, int worker) {
    for (int b = first; b < last; ++b) propose(native->net(), bands_[b], threshold, worker);
  });
  for (int b = 0; b < n; ++b) boxes_.insert(boxes_.end(), bands_[b].boxes.begin(), bands_[b].boxes.end());
  return true;
}

void CpuBackend::propose(const PackedNet& net, Band& band, float threshold, int w) {
  Worker& worker = workers_[w];
  const Level& level = levels_[band.level];
  const LevelAxes& axes = axes_[band.level];
  const Frame& frame = frames_[level.frame];
  const Source source = Source::choose(frame, axes_mode_, frame.size().height, frame.size().width, level.size);
  const int width = grid_pixels(grid_cells(level.size.width)), height = grid_pixels(grid_cells(level.size.height));
  const Columns columns{&axes.horizontal, 0, width};
  // A little below, so that rounding decides nothing; the probability does.
  const float least = threshold <= 0   ? -std::numeric_limits<float>::infinity()
                      : threshold >= 1 ? 16.0f
                                       : std::log(threshold / (1 - threshold)) - 1e-3f;
  const auto draw = [&](int y, float* row) {
    resample_pixels(source.image, axes.vertical, y, columns, -kPixelMean * kPixelScale, scratch_[w], row);
  };
  const auto take = [&](int y, int n, const float* logits, const float* features) {
    worker.positions.resize(std::max<size_t>(worker.positions.size(), n));
    const int hits = kernels().at_least(logits, n, least, worker.positions.data());
    for (int h = 0; h < hits; ++h) {
      const int x = worker.positions[h];
      float heads[kHeads];
      net.kernels().pnet_heads(net.heads(), features + ptrdiff_t{32} * x, 1, heads);
      const float score = face_probability(heads[0], heads[1]);
      if (!(score >= threshold)) continue;
      const float moves[4] = {heads[2], heads[3], heads[4], heads[5]};
      band.boxes.push_back(cell_window(level, band.level, x, y, score, moves));
    }
  };
  worker.pnet.run(net, width - 2, height - 2, band.first, band.last, draw, take);
}

void CpuBackend::pyramid(const Canvas& canvas, Resize mode) {
  set_axes(mode);
  const int64_t plane = int64_t{canvas.size.height} * canvas.size.width;
  reserve_floats(input_, 3 * plane);
  int rows = 0;
  for (const Tile& tile : canvas.tiles) rows += tile.height();

  pool_->parallel_for(rows, 16, [&](int begin, int end, int worker) {
    int first_row = 0;  // of the tile, counting the rows of all tiles
    for (const Tile& tile : canvas.tiles) {
      const int last_row = first_row + tile.height();
      const int from = std::max(begin, first_row), to = std::min(end, last_row);
      if (from < to) {
        const Level& level = levels_[tile.level];
        const Frame& frame = frames_[level.frame];
        const Source source = Source::choose(frame, mode, frame.size().height, frame.size().width, level.size);
        const Columns columns{&axes_[tile.level].horizontal, kStride * tile.cell_x, tile.width()};
        for (int r = from; r < to; ++r) {
          const int y = r - first_row;
          float* red = input_.data() + int64_t{tile.canvas_y + y} * canvas.size.width + tile.canvas_x;
          resample_row(source.image, axes_[tile.level].vertical, kStride * tile.cell_y + y, columns,
                       -kPixelMean * kPixelScale, scratch_[worker], red, red + plane, red + 2 * plane);
        }
      }
      first_row = last_row;
    }
  });
}

void CpuBackend::infer(Context& net, const Engine& engine, const Shape& shape) {
  const std::vector<Shape>& shapes = net.output_shapes(shape);
  if (outputs_.size() < shapes.size()) outputs_.resize(shapes.size());
  output_pointers_.clear();
  for (size_t i = 0; i < shapes.size(); ++i) {
    reserve_floats(outputs_[i], volume(shapes[i]));
    output_pointers_.push_back(outputs_[i].data());
  }
  output_shapes_ = &shapes;
  net.infer(shape, input_.data(), std::span<float* const>(output_pointers_.data(), engine.outputs().size()));
}

const float* CpuBackend::output(const Engine& engine, const char* name, const Shape& least) const {
  return outputs_[checked_output(engine, *output_shapes_, name, least)].data();
}

void CpuBackend::propose(Context& pnet, const Engine& engine, const Canvas& canvas, float threshold) {
  infer(pnet, engine, {1, 3, canvas.size.height, canvas.size.width});
  const float* prob = output(engine, "prob1", {1, 2, grid_cells(canvas.size.height), grid_cells(canvas.size.width)});
  const Shape& grid = (*output_shapes_)[engine.output_index("prob1")];
  const float* regression = output(engine, "boxes", {1, 4, grid[2], grid[3]});
  const Grid outputs{prob, regression, static_cast<int>(grid[2]), static_cast<int>(grid[3])};
  for (const Tile& tile : canvas.tiles) cpu::propose(outputs, tile, levels_[tile.level], threshold, positions_, boxes_);
}

void CpuBackend::nms(float threshold, Overlap overlap, Scope scope, int keep) {
  const std::vector<int>& kept = nms_.run(boxes_, threshold, overlap, scope, keep);
  next_boxes_.clear();
  next_landmarks_.clear();
  for (const int i : kept) {
    next_boxes_.push_back(boxes_[i]);
    if (!landmarks_.empty()) next_landmarks_.push_back(landmarks_[i]);
  }
  boxes_.swap(next_boxes_);
  landmarks_.swap(next_landmarks_);
}

void CpuBackend::regress() {
  size_t left = 0;
  for (size_t i = 0; i < boxes_.size(); ++i) {
    Box box = boxes_[i];
    cpu::regress(box);
    if (!has_area(box)) continue;
    if (!landmarks_.empty()) landmarks_[left] = landmarks_[i];
    boxes_[left++] = box;
  }
  boxes_.resize(left);
  if (!landmarks_.empty()) landmarks_.resize(left);
}

void CpuBackend::square(bool truncating) {
  for (Box& box : boxes_) make_square(box, truncating, 1);
  number_and_drop_empty();
}

void CpuBackend::number_and_drop_empty() {
  for (size_t i = 0; i < boxes_.size(); ++i) boxes_[i].order = static_cast<int>(i);
  std::erase_if(boxes_, [](const Box& b) { return !(b.width() >= 1 && b.height() >= 1); });
}

void CpuBackend::truncate_and_clip() {
  for (Box& box : boxes_) {
    truncate(box);
    clip(box, frames_[box.frame].size());
  }
  for (size_t i = 0; i < landmarks_.size(); ++i) {
    const Size frame = frames_[boxes_[i].frame].size();
    for (int k = 0; k < kLandmarks; ++k)
      landmarks_[i][k] = clip(std::trunc(landmarks_[i][k]), k < kLandmarks / 2 ? frame.width : frame.height);
  }
}

void CpuBackend::crop(int begin, int end, const Refinement& refinement) {
  const int side = refinement.side, n = end - begin;
  const int64_t plane = int64_t{side} * side;
  pool_->parallel_for(n, 4, [&](int first, int last, int worker) {
    for (int i = first; i < last; ++i) {
      const Box& box = boxes_[begin + i];
      float* crop = input_.data() + 3 * plane * i;
      cpu::crop_resize(frames_[box.frame], crop_window(box), side, refinement.resize, scratch_[worker], crop);
      if (!refinement.mirror) continue;
      float* mirrored = crop + 3 * plane * n;
      for (int row = 0; row < 3 * side; ++row)
        std::reverse_copy(crop + row * side, crop + (row + 1) * side, mirrored + row * side);
    }
  });
}

// Crops and asks about images [begin, end), of which each box has one or, with its mirror image, two: outputs_[0] is
// (n, 2), then (n, 4) and (n, 10), mirror images after all crops.
void CpuBackend::answer(const PackedNet& net, const Refinement& refinement, int begin, int end, int w) {
  Worker& worker = workers_[w];
  const int side = refinement.side, n = end - begin, views = refinement.mirror ? 2 : 1;
  const int64_t crop = int64_t{3} * side * side;
  const size_t floats = static_cast<size_t>(crop * n + kRoom);
  if (worker.pixels.size() < floats) worker.pixels.resize(floats);
  if (worker.heads.size() < static_cast<size_t>(kHeads) * n) worker.heads.resize(size_t{kHeads} * n);
  for (int i = begin; i < end; ++i) {
    const Box& box = boxes_[i / views];
    float* pixels = worker.pixels.data() + crop * (i - begin);
    if (i % views == 0 || i == begin)
      crop_resize_pixels(frames_[box.frame], crop_window(box), side, refinement.resize, scratch_[w], pixels);
    if (i % views == 1) mirror(i == begin ? pixels : pixels - crop, side, pixels);
  }
  worker.net.run(net, worker.pixels.data(), n, worker.heads.data());
  const int total = count();
  for (int i = 0; i < n; ++i) {
    const float* heads = &worker.heads[size_t{kHeads} * i];
    const int64_t row = (begin + i) / views + (begin + i) % views * total;
    std::copy(heads, heads + 2, &outputs_[0][2 * row]);
    std::copy(heads + 2, heads + 6, &outputs_[1][4 * row]);
    if (outputs_.size() > 2) std::copy(heads + 6, heads + kHeads, &outputs_[2][kLandmarks * row]);
  }
}

void CpuBackend::refine(const PackedNet& net, const Refinement& refinement) {
  const bool landmarks = net.net() == Net::kOnet;
  if (net.net() == Net::kPnet || refinement.side != (landmarks ? 48 : 24))
    throw EngineError("the engines are not in the order P-Net, R-Net, O-Net");
  const int n = count(), views = refinement.mirror ? 2 : 1;
  if (n == 0) return;
  outputs_.resize(3);
  for (int o = 0; o < 3; ++o) reserve_floats(outputs_[o], int64_t{n} * views * (o == 0 ? 2 : o == 1 ? 4 : kLandmarks));
  // As many rounds as batches make necessary, in each of which every worker has the same to do.
  const int images = n * views, threads = pool_->threads();
  const int rounds = ceil_div(images, threads * kCropBatch), grain = std::max(1, ceil_div(images, threads * rounds));
  pool_->parallel_for(images, grain, [&](int begin, int end, int worker) {
    for (int first = begin; first < end; first += grain)
      answer(net, refinement, first, std::min(first + grain, end), worker);
  });
  accept({outputs_[0].data(), outputs_[1].data(), landmarks ? outputs_[2].data() : nullptr, refinement.mirror ? n : 0},
         0, n, refinement);
}

void CpuBackend::refine(Context& net, const Engine& engine, const Refinement& refinement) {
  next_boxes_.clear();
  next_landmarks_.clear();
  if (const auto* native = dynamic_cast<const NativeEngine*>(&engine)) {
    refine(native->net(), refinement);
  } else {
    const bool has_landmarks = std::any_of(engine.outputs().begin(), engine.outputs().end(),
                                           [](const auto& o) { return o.name == "landmarks"; });
    const int n = count(), side = refinement.side, views = refinement.mirror ? 2 : 1;
    const int most = max_batch(side);
    reserve_floats(input_, int64_t{3} * side * side * most);
    for (int begin = 0; begin < n; begin += most / views) {
      const int end = std::min(n, begin + most / views);
      crop(begin, end, refinement);
      // Rows beyond the last crop are leftovers of an earlier batch.
      const int batch = std::min(batch_bucket(views * (end - begin)), most);
      infer(net, engine, {batch, 3, side, side});
      accept({output(engine, "prob1", {batch, 2, 1, 1}), output(engine, "boxes", {batch, 4, 1, 1}),
              has_landmarks ? output(engine, "landmarks", {batch, kLandmarks, 1, 1}) : nullptr,
              refinement.mirror ? end - begin : 0},
             begin, end, refinement);
    }
  }
  boxes_.swap(next_boxes_);
  landmarks_.swap(next_landmarks_);
}

// Adds those of boxes [begin, end) that the network takes for faces, as it sees them, to the next set.
void CpuBackend::accept(const Answers& answers, int begin, int end, const Refinement& refinement) {
  for (int i = 0; i < end - begin; ++i) {
    const float score = answers.score(i);
    if (!(score >= refinement.threshold)) continue;
    Box box = boxes_[begin + i];
    box.score = score;
    const float w = box.width(), h = box.height();
    for (int k = 0; k < 4; ++k) box.regression[k] = answers.side(i, k) * (k % 2 == 0 ? w : h);
    box.level = 0;
    if (answers.landmarks) {
      const float inset = refinement.inclusive_landmarks ? 0 : 1;
      Landmarks& points = next_landmarks_.emplace_back();
      for (int k = 0; k < kPoints; ++k) {
        points[k] = box.x1 + (w - inset) * answers.point_x(i, k);
        points[k + kPoints] = box.y1 + (h - inset) * answers.point_y(i, k);
      }
    }
    next_boxes_.push_back(box);
  }
}

void CpuBackend::nms_average(float threshold, float average_above) {
  nms_.run(boxes_, threshold, Overlap::kMin, Scope::kFrame, std::numeric_limits<int>::max());
  next_boxes_.clear();
  next_landmarks_.clear();
  totals_.clear();
  means_.resize(boxes_.size());
  // A suppressor comes before those it suppressed, so its place among the means is known by then.
  for (const int i : nms_.order()) {
    const Box& b = boxes_[i];
    int kept = nms_.suppressor(i);
    if (kept < 0) {
      kept = i;
      means_[i] = static_cast<int>(next_boxes_.size());
      totals_.push_back(0);
      next_boxes_.push_back(b);
      next_boxes_.back().x1 = next_boxes_.back().y1 = next_boxes_.back().x2 = next_boxes_.back().y2 = 0;
      if (!landmarks_.empty()) next_landmarks_.emplace_back();
    } else if (overlap(boxes_[kept], b, Overlap::kUnion) <= average_above) {
      continue;
    }
    const int m = means_[kept];
    totals_[m] += b.score;
    Box& mean = next_boxes_[m];
    mean.x1 += b.score * b.x1;
    mean.y1 += b.score * b.y1;
    mean.x2 += b.score * b.x2;
    mean.y2 += b.score * b.y2;
    if (!landmarks_.empty())
      for (int k = 0; k < kLandmarks; ++k) next_landmarks_[m][k] += b.score * landmarks_[i][k];
  }
  for (size_t m = 0; m < next_boxes_.size(); ++m) {
    Box& mean = next_boxes_[m];
    mean.x1 /= totals_[m];
    mean.y1 /= totals_[m];
    mean.x2 /= totals_[m];
    mean.y2 /= totals_[m];
    if (!landmarks_.empty())
      for (float& p : next_landmarks_[m]) p /= totals_[m];
  }
  boxes_.swap(next_boxes_);
  landmarks_.swap(next_landmarks_);
}

void CpuBackend::save_and_square(bool truncating, std::span<const float> scales) {
  boxes_.swap(saved_boxes_);
  landmarks_.swap(saved_landmarks_);
  landmarks_.clear();
  boxes_.clear();
  squares_ = static_cast<int>(scales.size());
  for (const Box& box : saved_boxes_) {
    for (const float scale : scales) {
      boxes_.push_back(box);
      make_square(boxes_.back(), truncating, scale);
    }
  }
  number_and_drop_empty();
}

void CpuBackend::average_with_saved(bool scores) {
  size_t i = 0;  // squares are in the order of their boxes
  for (size_t s = 0; s < saved_boxes_.size(); ++s) {
    Box& mean = saved_boxes_[s];
    float looks = 1;
    for (; i < boxes_.size() && boxes_[i].order / squares_ == static_cast<int>(s); ++i) {
      const Box& b = boxes_[i];
      mean.x1 += b.x1;
      mean.y1 += b.y1;
      mean.x2 += b.x2;
      mean.y2 += b.y2;
      if (scores) mean.score += b.score;
      if (!landmarks_.empty())
        for (int k = 0; k < kLandmarks; ++k) saved_landmarks_[s][k] += landmarks_[i][k];
      ++looks;
    }
    mean.x1 /= looks;
    mean.y1 /= looks;
    mean.x2 /= looks;
    mean.y2 /= looks;
    if (scores) mean.score /= looks;
    if (!saved_landmarks_.empty())
      for (float& p : saved_landmarks_[s]) p /= looks;
  }
  boxes_.swap(saved_boxes_);
  landmarks_.swap(saved_landmarks_);
}

void CpuBackend::drop_below(float score) {
  nms(std::numeric_limits<float>::infinity(), Overlap::kUnion, Scope::kFrame, count());  // only orders them
  size_t left = 0;
  for (size_t i = 0; i < boxes_.size(); ++i) {
    if (!(boxes_[i].score >= score)) continue;
    if (!landmarks_.empty()) landmarks_[left] = landmarks_[i];
    boxes_[left++] = boxes_[i];
  }
  boxes_.resize(left);
  if (!landmarks_.empty()) landmarks_.resize(left);
}

void CpuBackend::read(float* dets, float* landmarks, int* frames) {
  for (size_t i = 0; i < boxes_.size(); ++i) {
    const Box& b = boxes_[i];
    const float values[5] = {b.x1, b.y1, b.x2, b.y2, b.score};
    std::copy(values, values + 5, dets + 5 * i);
    if (landmarks && !landmarks_.empty())
      std::copy(landmarks_[i].begin(), landmarks_[i].end(), landmarks + kLandmarks * i);
    frames[i] = b.frame;
  }
}

}  // namespace trtmtcnn::cpu
