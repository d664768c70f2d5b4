// Backend on a GPU. `Runtime` is CudaRuntime, or HostRuntime where tests run the same code on the CPU.
// Everything is enqueued; the host waits only in count(), once a stage.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "backend.h"
#include "cuda/buffer.h"
#include "cuda/kernels/boxes.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/pyramid.h"
#include "cuda/kernels/refine.h"
#include "cuda/kernels/resample.h"
#include "error.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class GpuBackend final : public Backend {
 public:
  template <typename... Arguments>
  explicit GpuBackend(std::shared_ptr<ThreadPool> copiers, Arguments&&... arguments)
      : copiers_(std::move(copiers)), runtime_(std::forward<Arguments>(arguments)...) {
    counters_.reserve(kCounters);
    host_counters_.reserve(kCounters);
    host_boxes_.reserve(kFirstFaces);
    make_room_for(kFirstCapacity);
  }

  PackLimits pack_limits() const override { return {{512, 768, 1024, 1280}, 1280}; }
  int max_batch(int side) const override { return side < 48 ? 256 : 64; }
  void* stream() override { return runtime_.stream(); }

  void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) override {
    runtime_.use();
    frame_sizes_.assign(sizes.begin(), sizes.end());
    mode_ = mode;
    host_frames_.assign(images.size(), DeviceFrame{});
    while (frame_memory_.size() < images.size()) frame_memory_.emplace_back(runtime_);
    for (size_t i = 0; i < images.size(); ++i) load_frame(images[i], sizes[i], mode, frame_memory_[i], host_frames_[i]);
    upload(frames_, host_frames_);
    upload(sizes_, frame_sizes_);
    bound_ = 0;
    clear_boxes();
  }

  void unload() override {
    runtime_.use();
    runtime_.synchronize();  // the pixels are the caller's again
  }

  void begin(std::span<const Level> levels) override {
    runtime_.use();
    const auto is_as_before = [](const Level& a, const Level& b) {
      return a.size == b.size && a.frame == b.frame && a.scale_x == b.scale_x && a.scale_y == b.scale_y;
    };
    if (mode_ != levels_mode_ || frame_sizes_ != levels_frame_sizes_ ||
        !std::equal(levels.begin(), levels.end(), host_levels_.begin(), host_levels_.end(), is_as_before)) {
      canvases_.clear();
      recordings_.clear();
      host_levels_.clear();  // should there be no memory for them
      upload(levels_, std::vector<Level>(levels.begin(), levels.end()));
      make_level_taps(levels);
      levels_mode_ = mode_;
      levels_frame_sizes_ = frame_sizes_;
      host_levels_.assign(levels.begin(), levels.end());
    }
    current_ = 0;
    bound_ = 0;
    clear_boxes();
  }

  // Calls with certain settings run plainly until one finds everything where the one before had it; that one is
  // recorded as a CUDA graph, which later ones launch. TensorRT's own work can be recorded only for a single input
  // shape.
  void repeat(const Settings& settings, size_t canvases, FunctionRef work) override {
    if (canvases != 1 || !runtime_.records()) return work();
    auto found = std::find_if(recordings_.begin(), recordings_.end(),
                              [&](const Recording& r) { return r.settings == settings; });
    if (found == recordings_.end()) {
      work();
      recordings_.push_back({settings, allocations(), {}, bound_, current_, false});
      return;
    }
    Recording& recording = *found;
    if (recording.refused) return work();
    if (recording.allocations != allocations()) {
      recording.graph = {};
      work();
      recording.allocations = allocations();
      return;
    }
    if (recording.graph) {
      runtime_.launch(recording.graph);
      bound_ = recording.bound;
      current_ = recording.current;
      return;
    }
    const int current = current_;
    try {
      recording.graph = runtime_.record(work);
    } catch (const std::exception&) {  // of TensorRT, which does not tell beforehand
      recording.refused = true;
      current_ = current;
      bound_ = 0;
      return work();
    }
    recording.bound = bound_;
    recording.current = current_;
    runtime_.launch(recording.graph);
  }

  void pyramid(const Canvas& canvas, Resize) override {
    const CanvasMemory& memory = canvas_memory(canvas);
    const size_t plane = static_cast<size_t>(canvas.size.height) * canvas.size.width;
    input_.reserve(3 * plane);
    runtime_.for_each(memory.pixels,
                      DrawTiles{frames_.data(), levels_.data(), level_taps_.data(), tap_starts_.data(),
                                memory.tiles.data(), memory.pixel_starts.data(), static_cast<int>(canvas.tiles.size()),
                                input_.data(), canvas.size.height, canvas.size.width});
  }

  void propose(Context& pnet, const Engine& engine, const Canvas& canvas, float threshold) override {
    infer(pnet, engine, {1, 3, canvas.size.height, canvas.size.width});
    const int prob = checked_output(engine, *output_shapes_, "prob1",
                                    {1, 2, grid_cells(canvas.size.height), grid_cells(canvas.size.width)});
    const Shape& grid = (*output_shapes_)[prob];
    const int regression = checked_output(engine, *output_shapes_, "boxes", {1, 4, grid[2], grid[3]});
    const CanvasMemory& memory = canvas_memory(canvas);
    runtime_.for_each(memory.cells,
                      Propose{levels_.data(), memory.tiles.data(), memory.cell_starts.data(),
                              static_cast<int>(canvas.tiles.size()), outputs_[prob].data(), outputs_[regression].data(),
                              static_cast<int>(grid[2]), static_cast<int>(grid[3]), threshold, current()});
    bound_ = std::min<int64_t>(capacity_, int64_t{bound_} + memory.cells);
    runtime_.for_each(1, KeepMost{current().count, counter(kProposed)});
  }

  void nms(float threshold, Overlap overlap, Scope scope, int keep) override {
    if (bound_ == 0) return;
    const uint32_t* kept = rank_and_suppress(threshold, overlap == Overlap::kMin, scope == Scope::kLevel);
    if (keep < std::numeric_limits<int>::max()) {
      uint32_t* capped = bits() + words();
      runtime_.for_each(bound_, Cap{ranked().data, ranked().count, kept, keep, capped});
      kept = capped;
    }
    runtime_.for_each(bound_, Compact{ranked(), kept, current()});
  }

  void nms_average(float threshold, float average_above) override {
    if (bound_ == 0) return;
    const uint32_t* kept = rank_and_suppress(threshold, true, false);
    saved_.reserve(capacity_);
    runtime_.for_each(bound_, AverageKept{ranked().data, ranked().count, status(), average_above, saved_.data()});
    runtime_.for_each(bound_, Compact{{saved_.data(), ranked().count, capacity_}, kept, current()});
  }

  void save_and_square(bool truncating, std::span<const float> scales) override {
    runtime_.use();
    saved_.reserve(capacity_);
    saved_bound_ = bound_;
    runtime_.copy(saved_.data(), current().data, static_cast<size_t>(bound_) * sizeof(DeviceBox));
    runtime_.copy(counter(kSaved), current().count, sizeof(int));
    squares_ = static_cast<int>(scales.size());
    if (const int n = saved_bound_ * squares_; n > capacity_) make_room_for(n);
    upload(scales_, std::vector<float>(scales.begin(), scales.end()));
    bound_ = saved_bound_ * squares_;
    runtime_.for_each(bound_, Repeat{saved_.data(), counter(kSaved), squares_, current()});
    square(truncating, scales_.data(), squares_);
  }

  void average_with_saved(bool scores) override {
    runtime_.zero(status(), static_cast<size_t>(saved_bound_) * squares_ * sizeof(int));
    runtime_.for_each(bound_, FindOrders{current(), status()});
    runtime_.for_each(saved_bound_,
                      AverageIntoSaved{current().data, status(), squares_, scores, saved_.data(), counter(kSaved)});
    bound_ = saved_bound_;
    runtime_.copy(current().data, saved_.data(), static_cast<size_t>(bound_) * sizeof(DeviceBox));
    runtime_.copy(current().count, counter(kSaved), sizeof(int));
  }

  void drop_below(float score) override {
    filter([&](uint32_t* bits) { runtime_.for_each(bound_, Reaches{current(), score, bits}); });
  }

  void regress() override {
    filter([this](uint32_t* bits) { runtime_.for_each(bound_, Regress{current(), bits}); });
  }

  void square(bool truncating) override {
    runtime_.use();
    square(truncating, nullptr, 1);
  }

  void truncate_and_clip() override { runtime_.for_each(bound_, TruncateAndClip{current(), sizes_.data(), true}); }

  void refine(Context& net, const Engine& engine, const Refinement& refinement) override {
    const int n = bound_;  // squares without a pixel among them: there are hardly any
    const int side = refinement.side, views = refinement.mirror ? 2 : 1;
    const int most = static_cast<int>(std::min<int64_t>(max_batch(side), engine.largest_input()[0]));
    if (most < views)
      throw EngineError("mirror images need an engine for batches of 2 and more: run create_engines with a larger one");
    const BoxSet from = current();
    current_ = 1 - current_;
    runtime_.zero(current().count, sizeof(int));
    input_.reserve(3 * static_cast<size_t>(side) * side * most);
    taps_.reserve(2 * static_cast<size_t>(side) * most);
    const bool has_landmarks = std::any_of(engine.outputs().begin(), engine.outputs().end(),
                                           [](const TensorInfo& o) { return o.name == "landmarks"; });
    for (int begin = 0; begin < n; begin += most / views) {
      const int crops = std::min(n - begin, most / views);
      const int mirrored = refinement.mirror ? crops : 0;
      runtime_.for_each(2 * side * crops,
                        CropTaps{frames_.data(), from, begin, side, refinement.resize == Resize::kArea, taps_.data()});
      runtime_.for_each(crops * side * side,
                        CropResize{frames_.data(), from, begin, side, taps_.data(), mirrored, input_.data()});
      const int batch = std::min(most, batch_bucket(views * crops));
      infer(net, engine, {batch, 3, side, side});
      const auto output = [&](const char* name, int channels) -> const float* {
        return outputs_[checked_output(engine, *output_shapes_, name, {batch, channels, 1, 1})].data();
      };
      const Answers answers{output("prob1", 2), output("boxes", 4),
                            has_landmarks ? output("landmarks", kLandmarks) : nullptr, mirrored};
      runtime_.for_each(crops,
                        Refine{from, begin, answers, refinement.threshold, refinement.inclusive_landmarks, current()});
    }
  }

  int count() override {
    if (counted_) return bound_;
    runtime_.use();
    runtime_.download(host_counters_.data(), counters_.data(), kCounters * sizeof(int));
    runtime_.synchronize();
    proposed_ = host_counters_.data()[kProposed];
    bound_ = std::min(host_counters_.data()[current_counter()], capacity_);
    counted_ = true;
    return bound_;
  }

  bool make_room() override {
    if (proposed_ <= capacity_) return false;
    make_room_for(proposed_);
    return true;
  }

  void read(float* dets, float* landmarks, int* frames) override {
    runtime_.use();
    const int n = count();
    host_boxes_.reserve(n);
    DeviceBox* boxes = host_boxes_.data();
    runtime_.download(boxes, sets_[current_].data(), n * sizeof(DeviceBox));
    runtime_.synchronize();
    std::sort(boxes, boxes + n, ranks_before);
    for (int i = 0; i < n; ++i) {
      const DeviceBox& b = boxes[i];
      const float values[5] = {b.x1, b.y1, b.x2, b.y2, b.score};
      std::copy(values, values + 5, dets + 5 * i);
      if (landmarks) std::copy(b.landmarks, b.landmarks + kLandmarks, landmarks + kLandmarks * i);
      frames[i] = b.frame;
    }
  }

 private:
  enum Counter { kCountA, kCountB, kRanked, kProposed, kSaved, kCounters };
  static constexpr int kFirstCapacity = 8192;
  static constexpr int kFirstFaces = 1024;
  static constexpr size_t kPiece = 512 << 10;  // bytes of a frame that are sent at once

  struct FrameMemory {
    explicit FrameMemory(Runtime& r) : pinned(r), pixels(r), resized(r), mips(r) {}
    Buffer<Runtime, uint8_t, true> pinned;
    Buffer<Runtime, uint8_t> pixels, resized, mips;
  };

  struct CanvasMemory {
    explicit CanvasMemory(Runtime& r) : tiles(r), pixel_starts(r), cell_starts(r) {}
    Buffer<Runtime, Tile> tiles;
    Buffer<Runtime, int> pixel_starts, cell_starts;
    int pixels = 0, cells = 0;
  };

  struct Recording {
    Settings settings;
    size_t allocations;  // by the last plain call: addresses hold until there are more
    typename Runtime::Graph graph;
    int bound, current;  // of the box set, afterwards
    bool refused;
  };

  size_t allocations() const { return runtime_.allocations(); }

  int* counter(Counter which) { return counters_.data() + which; }
  Counter current_counter() const { return current_ == 0 ? kCountA : kCountB; }

  // For kernels, which may change it.
  BoxSet current() {
    counted_ = false;
    return {sets_[current_].data(), counter(current_counter()), capacity_};
  }

  // The boxes in the other set that are ranked, kept or not.
  BoxSet ranked() { return {sets_[1 - current_].data(), counter(kRanked), capacity_}; }

  uint32_t* bits() { return marks_.data(); }
  int* ticket() { return reinterpret_cast<int*>(marks_.data() + 2 * words()); }
  int* status() { return ticket() + 1; }

  void clear_boxes() {
    runtime_.zero(counters_.data(), kCounters * sizeof(int));
    counted_ = false;
  }

  void make_room_for(int n) {
    for (auto& set : sets_) set.reserve(n);
    capacity_ = static_cast<int>(std::min(sets_[0].size(), sets_[1].size()));
    marks_.reserve(2 * words() + 1 + capacity_);
  }

  void square(bool truncating, const float* scales, int scale_count) {
    runtime_.for_each(bound_, Square{current(), truncating, scales, scale_count});
  }

  template <typename T>
  void upload(Buffer<Runtime, T>& to, const std::vector<T>& from) {
    to.reserve(std::max<size_t>(from.size(), 1));
    runtime_.upload(to.data(), from.data(), from.size() * sizeof(T));
  }

  size_t words() const { return static_cast<size_t>(capacity_) / 32 + 1; }

  // Leaves the boxes ranked in the other set, their number in kRanked, and who is kept in the bits returned.
  const uint32_t* rank_and_suppress(float threshold, bool by_min, bool same_level) {
    runtime_.zero(marks_.data(), (2 * words() + 1 + static_cast<size_t>(bound_)) * sizeof(uint32_t));
    runtime_.for_each(bound_, Rank{current(), ranked().data, ranked().count});
    runtime_.for_each(
        bound_, Suppress{ranked().data, ranked().count, threshold, by_min, same_level, ticket(), status(), bits()});
    return bits();
  }

  // Keeps the boxes that `mark` sets a bit for.
  template <typename Mark>
  void filter(Mark mark) {
    if (bound_ == 0) return;
    runtime_.zero(bits(), words() * sizeof(uint32_t));
    mark(bits());
    const BoxSet from = current();
    current_ = 1 - current_;
    runtime_.for_each(bound_, Compact{from, bits(), current()});
  }

  void load_frame(const Image& image, Size size, Resize mode, FrameMemory& memory, DeviceFrame& frame) {
    const size_t row = static_cast<size_t>(image.width) * 3;
    DeviceImage pixels{image.data, image.height, image.width, image.row_stride};
    if (image.must_wait) runtime_.wait_for(image.ready_stream);
    if (!image.on_device) {
      upload(image, memory);
      pixels = {memory.pixels.data(), image.height, image.width, static_cast<ptrdiff_t>(row)};
    }
    build_mips(pixels, mode, memory, frame);
    if (size == Size{image.height, image.width}) return;

    memory.resized.reserve(static_cast<size_t>(size.height) * size.width * 3);
    scratch_frame_.reserve(1);
    runtime_.upload(scratch_frame_.data(), &frame, sizeof(DeviceFrame));
    taps_.reserve(static_cast<size_t>(size.height) + size.width);
    runtime_.for_each(size.height + size.width,
                      ResizeTaps{scratch_frame_.data(), mode == Resize::kArea, size.height, size.width, taps_.data()});
    runtime_.for_each(size.height * size.width,
                      ResizeFrame{scratch_frame_.data(), taps_.data(), memory.resized.data(), size.height, size.width});
    build_mips({memory.resized.data(), size.height, size.width, ptrdiff_t{3} * size.width}, mode, memory, frame);
  }

  // Through pinned memory, from which the GPU fetches by itself, in pieces: while one travels the next are copied
  // there, by several threads, as the bus takes more than one core can copy.
  void upload(const Image& image, FrameMemory& memory) {
    const size_t row = static_cast<size_t>(image.width) * 3, bytes = row * image.height;
    memory.pixels.reserve(bytes);
    memory.pinned.reserve(bytes);  // what was there has left: every call ends with a synchronisation
    const int rows = static_cast<int>(std::max<size_t>(1, kPiece / row));
    copiers_->parallel_for(image.height, rows, [&](int begin, int end, int) {
      runtime_.use();
      for (int first = begin; first < end; first += rows) {
        const int last = std::min(first + rows, end);
        const size_t at = first * row, size = (last - first) * row;
        if (image.row_stride == static_cast<ptrdiff_t>(row))
          std::memcpy(memory.pinned.data() + at, image.data + at, size);
        else
          for (int y = first; y < last; ++y)
            std::memcpy(memory.pinned.data() + y * row, image.data + y * image.row_stride, row);
        runtime_.upload(memory.pixels.data() + at, memory.pinned.data() + at, size);
      }
    });
  }

  void build_mips(const DeviceImage& base, Resize mode, FrameMemory& memory, DeviceFrame& frame) {
    frame.mips[0] = base;
    frame.mip_count = 1;
    if (mode != Resize::kArea) return;
    size_t bytes = 0;
    for (int h = base.height, w = base.width; h > 1 || w > 1;) {
      h = (h + 1) / 2;
      w = (w + 1) / 2;
      bytes += static_cast<size_t>(h) * w * 3;
    }
    memory.mips.reserve(bytes);
    uint8_t* to = memory.mips.data();
    const auto last = [&]() -> const DeviceImage& { return frame.mips[frame.mip_count - 1]; };
    const auto ends = [&] { return frame.mip_count == kMostMips || (last().height <= 1 && last().width <= 1); };
    while (!ends()) {
      Halve halve{last(), {}, 0};
      while (halve.count < Halve::kMost && !ends()) {
        const int h = (last().height + 1) / 2, w = (last().width + 1) / 2;
        halve.mips[halve.count++] = {to, h, w};
        frame.mips[frame.mip_count++] = {to, h, w, ptrdiff_t{3} * w};
        to += static_cast<size_t>(h) * w * 3;
      }
      runtime_.for_each(last().height * last().width, halve);
    }
  }

  void make_level_taps(std::span<const Level> levels) {
    std::vector<int> starts;
    int taps = 0;
    for (const Level& level : levels) {
      starts.push_back(taps);
      const int sides = level.size.height + level.size.width;
      if (sides > std::numeric_limits<int>::max() - taps) throw std::bad_alloc();  // they are tens of GiB
      taps += sides;
    }
    upload(tap_starts_, starts);
    level_taps_.reserve(taps);
    runtime_.for_each(taps, LevelTaps{frames_.data(), levels_.data(), tap_starts_.data(),
                                      static_cast<int>(levels.size()), mode_ == Resize::kArea, level_taps_.data()});
  }

  const CanvasMemory& canvas_memory(const Canvas& canvas) {
    const auto found = canvases_.find(&canvas);
    if (found != canvases_.end()) return found->second;
    CanvasMemory memory(runtime_);
    std::vector<int> pixel_starts, cell_starts;
    for (const Tile& tile : canvas.tiles) {
      pixel_starts.push_back(memory.pixels);
      cell_starts.push_back(memory.cells);
      memory.pixels += tile.width() * tile.height();
      memory.cells += tile.cells_x * tile.cells_y;
    }
    upload(memory.tiles, canvas.tiles);
    upload(memory.pixel_starts, pixel_starts);
    upload(memory.cell_starts, cell_starts);
    return canvases_.emplace(&canvas, std::move(memory)).first->second;
  }

  void infer(Context& net, const Engine& engine, const Shape& shape) {
    output_shapes_ = &net.output_shapes(shape);
    while (outputs_.size() < output_shapes_->size()) outputs_.emplace_back(runtime_);
    output_pointers_.clear();
    input_.reserve(static_cast<size_t>(volume(shape)));
    for (size_t i = 0; i < output_shapes_->size(); ++i) {
      outputs_[i].reserve(static_cast<size_t>(volume((*output_shapes_)[i])));
      output_pointers_.push_back(outputs_[i].data());
    }
    scratch_.reserve(net.scratch_bytes(shape));
    net.use_scratch(scratch_.data(), scratch_.size());
    net.infer(shape, input_.data(), std::span<float* const>(output_pointers_.data(), engine.outputs().size()));
  }

  std::shared_ptr<ThreadPool> copiers_;
  Runtime runtime_;  // what follows lives in its memory

  std::vector<FrameMemory> frame_memory_;
  std::vector<DeviceFrame> host_frames_;
  std::vector<Size> frame_sizes_;
  Buffer<Runtime, DeviceFrame> frames_{runtime_}, scratch_frame_{runtime_};
  Buffer<Runtime, Size> sizes_{runtime_};

  Resize mode_ = Resize::kArea;
  Resize levels_mode_ = Resize::kArea;
  std::vector<Size> levels_frame_sizes_;
  std::vector<Level> host_levels_;
  Buffer<Runtime, Level> levels_{runtime_};
  Buffer<Runtime, int> tap_starts_{runtime_};
  Buffer<Runtime, Taps> level_taps_{runtime_}, taps_{runtime_};  // the latter of crops, or of a frame to be resized
  std::map<const Canvas*, CanvasMemory> canvases_;               // of host_levels_
  std::vector<Recording> recordings_;                            // of host_levels_

  Buffer<Runtime, float> input_{runtime_};
  Buffer<Runtime, char> scratch_{runtime_};  // the networks', which run one after the other
  std::vector<Buffer<Runtime, float>> outputs_;
  std::vector<float*> output_pointers_;
  const std::vector<Shape>* output_shapes_ = nullptr;

  Buffer<Runtime, DeviceBox> sets_[2] = {Buffer<Runtime, DeviceBox>(runtime_), Buffer<Runtime, DeviceBox>(runtime_)};
  Buffer<Runtime, DeviceBox> saved_{runtime_};
  int current_ = 0;
  int capacity_ = 0;
  int bound_ = 0;         // no more boxes than this are in the current set
  bool counted_ = false;  // it is as many
  int saved_bound_ = 0;
  int squares_ = 0;  // of each saved box
  Buffer<Runtime, float> scales_{runtime_};
  int proposed_ = 0;  // that P-Net had, room or not
  Buffer<Runtime, int> counters_{runtime_};
  Buffer<Runtime, uint32_t> marks_{runtime_};  // two bits a box, words() each; a ticket; a status a box
  Buffer<Runtime, int, true> host_counters_{runtime_};
  Buffer<Runtime, DeviceBox, true> host_boxes_{runtime_};
};

}  // namespace trtmtcnn::cuda
