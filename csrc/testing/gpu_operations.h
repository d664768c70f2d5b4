// Operations with the GPU's kernels, on any runtime.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/box_set.h"
#include "cuda/frame_store.h"
#include "cuda/kernels/crop_resize.h"
#include "cuda/kernels/propose.h"
#include "cuda/kernels/pyramid.h"
#include "cuda/staging.h"
#include "runtime/thread_pool.h"
#include "testing/operations.h"

namespace trtmtcnn::testing {

// Arrays on their way to the device and back, through pinned memory.
template <typename Runtime>
class Transfers {
 public:
  explicit Transfers(Runtime& runtime) : runtime_(runtime) {}

  template <typename T>
  cuda::Buffer<Runtime, T> send(const T* items, size_t n) {
    cuda::Buffer<Runtime, T> buffer(runtime_);
    buffer.reserve(std::max<size_t>(n, 1));
    write(buffer.data(), items, n);
    return buffer;
  }

  template <typename T>
  void write(T* to, const T* items, size_t n) {
    cuda::Buffer<Runtime, T, true> pinned(runtime_);
    pinned.reserve(std::max<size_t>(n, 1));
    std::copy(items, items + n, pinned.data());
    runtime_.upload(to, pinned.data(), n * sizeof(T));
    runtime_.synchronize();
  }

  template <typename T>
  void read(T* to, const T* from, size_t n) {
    cuda::Buffer<Runtime, T, true> pinned(runtime_);
    pinned.reserve(std::max<size_t>(n, 1));
    runtime_.download(pinned.data(), from, n * sizeof(T));
    runtime_.synchronize();
    std::copy(pinned.data(), pinned.data() + n, to);
  }

 private:
  Runtime& runtime_;
};

template <typename Runtime>
class GpuBoxes final : public FilledBoxes {
 public:
  template <typename... Arguments>
  explicit GpuBoxes(Arguments&&... arguments) : runtime_(std::forward<Arguments>(arguments)...) {}

  cuda::BoxSet<Runtime>& boxes() override { return boxes_; }

  void assign(std::span<const Box> boxes, std::span<const Size> frames) override {
    const int n = static_cast<int>(boxes.size());
    frames_ = transfers_.send(frames.data(), frames.size());
    do {
      boxes_.set_frames(frames_.data(), static_cast<int>(frames.size()));
      boxes_.clear();
      transfers_.write(boxes_.current().count, &n, 1);
      boxes_.added_at_most(n);
      boxes_.count();
    } while (boxes_.make_room());
    std::vector<cuda::DeviceBox> items(n);
    for (int i = 0; i < n; ++i) static_cast<Box&>(items[i]) = boxes[i];
    transfers_.write(boxes_.current().data, items.data(), items.size());
    boxes_.count();
  }

  void accept(const HeadOutputs& outputs, int n, float threshold, bool inclusive_landmarks) override {
    const size_t crops = n + outputs.flipped;
    const auto prob = transfers_.send(outputs.prob, 2 * crops);
    const auto regression = transfers_.send(outputs.regression, 4 * crops);
    const auto landmarks = transfers_.send(outputs.landmarks, outputs.landmarks ? kLandmarks * crops : 0);
    const HeadOutputs on_device{prob.data(), regression.data(), outputs.landmarks ? landmarks.data() : nullptr,
                                outputs.flipped, outputs.mirrored};
    const cuda::DeviceBoxes from = boxes_.begin_accepting();
    runtime_.for_each(n, cuda::Accept{from, 0, on_device, threshold, inclusive_landmarks, boxes_.current()});
    runtime_.synchronize();
  }

 private:
  Runtime runtime_;
  Transfers<Runtime> transfers_{runtime_};
  cuda::Buffer<Runtime, Size> frames_{runtime_};
  cuda::Staging<Runtime> staging_{runtime_};
  cuda::BoxSet<Runtime> boxes_{runtime_, staging_};
};

template <typename Runtime, typename... Arguments>
class GpuOperations final : public Operations {
 public:
  explicit GpuOperations(Arguments... arguments)
      : make_boxes_([=] { return std::make_unique<GpuBoxes<Runtime>>(arguments...); }), runtime_(arguments...) {}

  void resize(const Image& image, Size size, Resize mode, float* out) override {
    load(image, mode);
    const Level level{0, size, 1, 1};
    const int cells_x = grid_cells(size.width), cells_y = grid_cells(size.height), zero = 0;
    // A tile holds the pixels that its cells read: all, or all but the last of an odd side.
    const cuda::PlacedTile tile{{0, 0, 0, cells_x, cells_y, 0, 0}, 0};
    const auto levels = transfers_.send(&level, 1);
    const auto tiles = transfers_.send(&tile, 1);
    const auto starts = transfers_.send(&zero, 1);
    cuda::Buffer<Runtime, cuda::Taps> taps(runtime_);
    taps.reserve(static_cast<size_t>(size.height) + size.width);
    cuda::Buffer<Runtime, float> canvas(runtime_);
    const size_t floats = size_t{3} * size.height * size.width;
    canvas.reserve(floats);
    runtime_.for_each(size.height + size.width,
                      cuda::LevelTaps{frames_.frames(), levels.data(), starts.data(), 1, frames_.area(), taps.data()});
    runtime_.for_each(tile.width() * tile.height(),
                      cuda::DrawTiles{frames_.frames(), levels.data(), taps.data(), starts.data(), tiles.data(),
                                      starts.data(), 1, canvas.data(), size});
    transfers_.read(out, canvas.data(), floats);
  }

  void halve(const Image& image, uint8_t* out) override {
    load(image, Resize::kArea);
    cuda::DeviceFrame frame;
    transfers_.read(&frame, frames_.frames(), 1);
    const cuda::DeviceImage& mip = frame.mips[std::min(1, frame.mip_count - 1)];
    transfers_.read(out, mip.data, size_t{3} * mip.height * mip.width);
  }

  void crop_resize(const Image& image, std::span<const int> windows, int side, Resize mode, float* out) override {
    load(image, mode);
    const int n = static_cast<int>(windows.size() / 4);
    std::vector<cuda::DeviceBox> items(n);
    for (int i = 0; i < n; ++i) {
      items[i].x1 = static_cast<float>(windows[4 * i]), items[i].y1 = static_cast<float>(windows[4 * i + 1]);
      items[i].x2 = static_cast<float>(windows[4 * i + 2]), items[i].y2 = static_cast<float>(windows[4 * i + 3]);
    }
    const auto boxes = transfers_.send(items.data(), items.size());
    auto count = transfers_.send(&n, 1);
    cuda::Buffer<Runtime, cuda::Taps> taps(runtime_);
    taps.reserve(size_t{2} * side * n);
    cuda::Buffer<Runtime, float> crops(runtime_);
    const size_t floats = size_t{3} * side * side * n;
    crops.reserve(floats);
    const cuda::DeviceBoxes set{boxes.data(), count.data(), n};
    runtime_.for_each(2 * side * n, cuda::CropTaps{frames_.frames(), set, 0, side, frames_.area(), taps.data()});
    runtime_.for_each(
        n * side * side,
        cuda::CropResize{
            frames_.frames(), set, 0, side, taps.data(), 0, false, {crops.data(), cuda::InputLayout::kPlanes}});
    transfers_.read(out, crops.data(), floats);
  }

  std::vector<float> propose(const float* prob, const float* regression, int height, int width, double scale_y,
                             double scale_x, float threshold) override {
    const Level level{0, {grid_pixels(height), grid_pixels(width)}, scale_y, scale_x};
    const cuda::PlacedTile tile{{0, 0, 0, width, height, 0, 0}, 0};
    const int zero = 0, cells = height * width;
    const auto levels = transfers_.send(&level, 1);
    const auto tiles = transfers_.send(&tile, 1);
    const auto starts = transfers_.send(&zero, 1);
    auto count = transfers_.send(&zero, 1);
    const auto probs = transfers_.send(prob, size_t{2} * cells);
    const auto regressions = transfers_.send(regression, size_t{4} * cells);
    cuda::Buffer<Runtime, cuda::DeviceBox> boxes(runtime_);
    boxes.reserve(cells);
    runtime_.for_each(cells, cuda::Propose{levels.data(), tiles.data(), starts.data(), 1,
                                           GridOutputs{probs.data(), regressions.data(), height, width}, threshold,
                                           cuda::DeviceBoxes{boxes.data(), count.data(), cells}});
    int n = 0;
    transfers_.read(&n, count.data(), 1);
    std::vector<cuda::DeviceBox> found(n);
    transfers_.read(found.data(), boxes.data(), found.size());
    std::sort(found.begin(), found.end(), [](const Box& a, const Box& b) { return a.order < b.order; });
    std::vector<float> rows;
    for (const Box& b : found)
      rows.insert(rows.end(), {b.x1, b.y1, b.x2, b.y2, b.score, b.regression[0], b.regression[1], b.regression[2],
                               b.regression[3]});
    return rows;
  }

  std::unique_ptr<FilledBoxes> boxes() override { return make_boxes_(); }

 private:
  void load(const Image& image, Resize mode) {
    const Size size{image.height, image.width};
    frames_.load({&image, 1}, {&size, 1}, mode);
    frames_.make_mips();
  }

  std::function<std::unique_ptr<FilledBoxes>()> make_boxes_;
  Runtime runtime_;
  Transfers<Runtime> transfers_{runtime_};
  cuda::Staging<Runtime> staging_{runtime_};
  cuda::FrameStore<Runtime> frames_{runtime_, staging_, std::make_shared<ThreadPool>(1)};
};

}  // namespace trtmtcnn::testing
