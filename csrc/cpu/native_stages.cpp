#include "cpu/native_stages.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

#include "cpu/crop_resize.h"
#include "cpu/kernels.h"
#include "error.h"
#include "head_outputs.h"
#include "runtime/grow.h"

namespace trtmtcnn::cpu {
namespace {

int ceil_div(int a, int b) { return (a + b - 1) / b; }

// Writes the mirror image of (side, side, 3) pixels, which may be in place.
void flip_pixels(const float* pixels, int side, float* out) {
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

// Calls run(begin, end, worker) for shares of a network's images. As many rounds as batches make necessary, in each of
// which every worker has the same to do.
template <class Run>
void for_each_share(ThreadPool& pool, int images, int batch, const Run& run) {
  const int rounds = ceil_div(images, pool.threads() * batch);
  const int grain = std::max(1, ceil_div(images, pool.threads() * rounds));
  pool.parallel_for(images, grain, [&](int begin, int end, int worker) {
    for (int first = begin; first < end; first += grain) run(first, std::min(first + grain, end), worker);
  });
}

}  // namespace

NativePnet::NativePnet(std::shared_ptr<Engine> engine, int threads)
    : engine_(std::move(engine)), net_(*engine_->native_net()), workers_(threads) {
  if (net_.net() != Net::kPnet) throw EngineError("the first engine is not a P-Net");
}

void NativePnet::propose(FrameStore& frames, const Pyramid& pyramid, float threshold, int64_t most,
                         std::vector<Box>& boxes) {
  const int n = split_into_bands(pyramid.levels(), frames.pool().threads());
  std::atomic<int64_t> proposed{0};
  frames.pool().parallel_for(n, 1, [&](int first, int last, int worker) {
    for (int b = first; b < last && proposed.load(std::memory_order_relaxed) <= most; ++b) {
      propose(frames, pyramid, threshold, bands_[b], worker);
      proposed.fetch_add(static_cast<int64_t>(bands_[b].boxes.size()), std::memory_order_relaxed);
    }
  });
  for (int b = 0; b < n; ++b) boxes.insert(boxes.end(), bands_[b].boxes.begin(), bands_[b].boxes.end());
}

// Bands large enough that they share few rows with their neighbours, and enough of them to keep all threads busy.
int NativePnet::split_into_bands(const std::vector<Level>& levels, int threads) {
  int64_t cells = 0;
  for (const Level& level : levels) cells += int64_t{grid_cells(level.size.height)} * grid_cells(level.size.width);
  const int64_t share = cells / (4 * threads) + 1;
  int n = 0;
  for (size_t l = 0; l < levels.size(); ++l) {
    const int height = grid_cells(levels[l].size.height), width = grid_cells(levels[l].size.width);
    if (height == 0 || width == 0) continue;
    const int rows = static_cast<int>(std::clamp<int64_t>(share / width, 32, height > 32 ? height : 32));
    const int count = threads == 1 ? 1 : ceil_div(height, rows);
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

void NativePnet::propose(FrameStore& frames, const Pyramid& pyramid, float threshold, Band& band, int w) {
  Worker& worker = workers_[w];
  const Level& level = pyramid.levels()[band.level];
  const Axes& axes = pyramid.axes(band.level);
  const Image& source = pyramid.source(band.level, frames);
  const int width = grid_pixels(grid_cells(level.size.width)), height = grid_pixels(grid_cells(level.size.height));
  const Columns columns{&axes.horizontal, 0, width};
  // The logit of the threshold, a little lower, so that its rounding loses no cell; the probability decides.
  const float least = threshold <= 0   ? -std::numeric_limits<float>::infinity()
                      : threshold >= 1 ? 16.0f
                                       : std::log(threshold / (1 - threshold)) - 1e-3f;
  const auto draw = [&](int y, float* row) {
    resample_pixels(source, axes.vertical, y, columns, -kPixelMean * kPixelScale, frames.scratch(w), row);
  };
  const auto take = [&](int y, int n, const float* logits, const float* features) {
    grow(worker.positions, static_cast<size_t>(n));
    const int hits = kernels().at_least(logits, n, least, worker.positions.data());
    for (int h = 0; h < hits; ++h) {
      const int x = worker.positions[h];
      float heads[kHeads];
      net_.kernels().pnet_heads(net_.heads(), features + ptrdiff_t{32} * x, 1, heads);
      const float score = face_probability(heads[1] - heads[0]);
      const float regression[4] = {heads[2], heads[3], heads[4], heads[5]};
      if (!is_face(score, threshold, regression)) continue;
      band.boxes.push_back(cell_window(level, band.level, x, y, score, regression));
    }
  };
  worker.rows.run(net_, width - 2, height - 2, band.first, band.last, draw, take);
}

NativeCrops::NativeCrops(Net net, std::shared_ptr<Engine> engine, std::shared_ptr<CropMemory> memory)
    : engine_(std::move(engine)), net_(*engine_->native_net()), memory_(std::move(memory)) {
  if (net_.net() != net) throw EngineError("the engines are not in the order P-Net, R-Net, O-Net");
}

void NativeCrops::refine(FrameStore& frames, const Refinement& refinement, BoxSet& boxes) {
  boxes.begin_accepting();
  if (const int n = boxes.count(); n > 0) {
    const int batch = net_.kernels().batch;
    const bool landmarks = has_landmarks(net_.net());
    const int images = n * (refinement.flip() ? 2 : 1);
    grow(memory_->prob, size_t{2} * images);
    grow(memory_->regression, size_t{4} * images);
    grow(memory_->landmarks, size_t{kLandmarks} * images);
    for_each_share(frames.pool(), images, batch,
                   [&](int begin, int end, int worker) { run(frames, boxes.boxes(), refinement, begin, end, worker); });
    const HeadOutputs outputs{memory_->prob.data(), memory_->regression.data(),
                              landmarks ? memory_->landmarks.data() : nullptr, refinement.flip() ? n : 0,
                              refinement.mirrored()};
    boxes.accept(outputs, 0, n, refinement.threshold, refinement.inclusive_landmarks);
  }
  boxes.end_accepting();
}

// Images [begin, end), of which each box has one or, for both views, two in a row: its crop and the mirror image.
// In the outputs all mirror images come after all crops.
void NativeCrops::run(FrameStore& frames, const std::vector<Box>& boxes, const Refinement& refinement, int begin,
                      int end, int w) {
  CropMemory::Worker& worker = memory_->workers[w];
  const int side = facts(net_.net()).side, n = end - begin, views = refinement.flip() ? 2 : 1;
  const int64_t crop = int64_t{3} * side * side;
  grow(worker.pixels, static_cast<size_t>(crop * n + kOverrun));
  grow(worker.heads, size_t{kHeads} * n);
  for (int i = begin; i < end; ++i) {
    const Box& box = boxes[i / views];
    float* pixels = worker.pixels.data() + crop * (i - begin);
    if (i % views == 0 || i == begin)
      crop_resize_pixels(frames[box.frame], crop_window(box), side, frames.mode(), frames.scratch(w), pixels);
    if (i % views == 1) flip_pixels(i == begin ? pixels : pixels - crop, side, pixels);
    if (refinement.mirrored()) flip_pixels(pixels, side, pixels);
  }
  worker.net.run(net_, worker.pixels.data(), n, worker.heads.data());
  const int64_t total = static_cast<int64_t>(boxes.size());
  for (int i = 0; i < n; ++i) {
    const float* heads = &worker.heads[size_t{kHeads} * i];
    const int64_t row = (begin + i) / views + (begin + i) % views * total;
    std::copy(heads, heads + 2, &memory_->prob[2 * row]);
    std::copy(heads + 2, heads + 6, &memory_->regression[4 * row]);
    std::copy(heads + 6, heads + kHeads, &memory_->landmarks[kLandmarks * row]);
  }
}

NativeLandmarks::NativeLandmarks(std::shared_ptr<Engine> engine, std::shared_ptr<CropMemory> memory)
    : engine_(std::move(engine)), net_(*engine_->native_net()), memory_(std::move(memory)) {
  if (net_.net() != Net::kLnet) throw EngineError("the fourth engine is not an L-Net");
}

void NativeLandmarks::refine(FrameStore& frames, bool flip, BoxSet& boxes) {
  const int n = boxes.count(), images = n * (flip ? 2 : 1);
  grow(memory_->landmarks, size_t{kLandmarks} * images);
  for_each_share(frames.pool(), images, net_.kernels().batch,
                 [&](int begin, int end, int worker) { run(frames, boxes, flip, begin, end, worker); });
  boxes.move_landmarks({nullptr, nullptr, memory_->landmarks.data(), flip ? n : 0}, 0, n);
}

// Images as in NativeCrops::run(), each of the patches about a face's landmarks. In the mirror image left and right
// change places.
void NativeLandmarks::run(FrameStore& frames, const BoxSet& boxes, bool flip, int begin, int end, int w) {
  CropMemory::Worker& worker = memory_->workers[w];
  const int side = facts(Net::kLnet).side, n = end - begin, views = flip ? 2 : 1;
  const int64_t patch = int64_t{3} * side * side;
  grow(worker.pixels, static_cast<size_t>(kPoints * patch * n + kOverrun));
  grow(worker.heads, size_t{kHeads} * n);
  for (int i = begin; i < end; ++i) {
    const Box& box = boxes.boxes()[i / views];
    float* pixels = worker.pixels.data() + kPoints * patch * (i - begin);
    const bool mirrored = i % views == 1, copies = mirrored && i > begin;
    for (int k = 0; k < kPoints; ++k) {
      const int seen = mirrored ? HeadOutputs::opposite(k) : k;
      float* out = pixels + k * patch;
      if (!copies)
        crop_resize_pixels(frames[box.frame], landmark_patch(box, boxes.landmarks(i / views), seen), side,
                           frames.mode(), frames.scratch(w), out);
      if (mirrored) flip_pixels(copies ? pixels - (kPoints - seen) * patch : out, side, out);
    }
  }
  worker.lnet.run(net_, worker.pixels.data(), n, worker.heads.data());
  const int64_t total = boxes.boxes().size();
  for (int i = 0; i < n; ++i) {
    const float* heads = &worker.heads[size_t{kHeads} * i];
    const int64_t row = (begin + i) / views + (begin + i) % views * total;
    std::copy(heads, heads + kLandmarks, &memory_->landmarks[kLandmarks * row]);
  }
}

}  // namespace trtmtcnn::cpu
