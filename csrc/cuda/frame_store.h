// The frames of a call on the device.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/resample.h"
#include "cuda/staging.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class FrameStore {
 public:
  FrameStore(Runtime& runtime, Staging<Runtime>& staging, std::shared_ptr<ThreadPool> copiers)
      : runtime_(runtime), staging_(staging), copiers_(std::move(copiers)) {}

  void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) {
    for (const Image& image : images)
      if (image.on_device) runtime_.check_place(image);
    host_sizes_.assign(sizes.begin(), sizes.end());
    mode_ = mode;
    host_frames_.assign(images.size(), DeviceFrame{});
    while (memory_.size() < images.size()) memory_.emplace_back(runtime_);
    for (size_t i = 0; i < images.size(); ++i) load(images[i], sizes[i], memory_[i], host_frames_[i]);
    std::tie(frames_, sizes_) =
        staging_.upload(description_, std::span<const DeviceFrame>(host_frames_), std::span<const Size>(host_sizes_));
  }

  Resize mode() const { return mode_; }
  bool area() const { return mode_ == Resize::kArea; }
  const std::vector<Size>& host_sizes() const { return host_sizes_; }
  // On the device.
  const DeviceFrame* frames() const { return frames_; }
  const Size* sizes() const { return sizes_; }

 private:
  static constexpr size_t kPiece = 512 << 10;  // bytes of a frame that are sent at once

  struct Memory {
    explicit Memory(Runtime& r) : pixels(r), resized(r), mips(r) {}
    Buffer<Runtime, uint8_t> pixels, resized, mips;
  };

  void load(const Image& image, Size size, Memory& memory, DeviceFrame& frame) {
    const size_t row = static_cast<size_t>(image.width) * 3;
    DeviceImage pixels{image.data, image.height, image.width, image.row_stride};
    if (image.must_wait) runtime_.wait_for(image.ready_stream);
    if (!image.on_device) {
      send(image, memory);
      pixels = {memory.pixels.data(), image.height, image.width, static_cast<ptrdiff_t>(row)};
    }
    build_mips(pixels, memory, frame);
    if (size == Size{image.height, image.width}) return;

    memory.resized.reserve(static_cast<size_t>(size.height) * size.width * 3);
    const auto [device_frame] = staging_.upload(resized_frame_, std::span<const DeviceFrame>(&frame, 1));
    const int64_t sides = int64_t{size.height} + size.width;
    taps_.reserve(static_cast<size_t>(sides));
    runtime_.for_each(sides, ResizeTaps{device_frame, area(), size, taps_.data()});
    runtime_.for_each(int64_t{size.height} * size.width,
                      ResizeFrame{device_frame, taps_.data(), memory.resized.data(), size});
    build_mips({memory.resized.data(), size.height, size.width, ptrdiff_t{3} * size.width}, memory, frame);
  }

  // Through pinned memory, from which the GPU fetches by itself, in pieces: while one travels the next are copied
  // there, by several threads, as the bus takes more than one core can copy.
  void send(const Image& image, Memory& memory) {
    const size_t row = static_cast<size_t>(image.width) * 3, bytes = row * image.height;
    memory.pixels.reserve(bytes);
    std::byte* const pinned = staging_.take(bytes);
    const int rows = static_cast<int>(std::max<size_t>(1, kPiece / row));
    copiers_->parallel_for(image.height, rows, [&](int begin, int end, int) {
      const typename Runtime::Current current(runtime_);
      for (int first = begin; first < end; first += rows) {
        const int last = std::min(first + rows, end);
        const size_t at = first * row, size = (last - first) * row;
        if (image.row_stride == static_cast<ptrdiff_t>(row))
          std::memcpy(pinned + at, image.data + at, size);
        else
          for (int y = first; y < last; ++y) std::memcpy(pinned + y * row, image.data + y * image.row_stride, row);
        runtime_.upload(memory.pixels.data() + at, pinned + at, size);
      }
    });
  }

  void build_mips(const DeviceImage& base, Memory& memory, DeviceFrame& frame) {
    frame.mips[0] = base;
    frame.mip_count = 1;
    if (!area()) return;
    const auto is_pixel = [](Size s) { return s.height <= 1 && s.width <= 1; };
    size_t bytes = 0;
    for (Size s{base.height, base.width}; !is_pixel(s);) {
      s = half_of(s);
      bytes += static_cast<size_t>(s.height) * s.width * 3;
    }
    memory.mips.reserve(bytes);
    uint8_t* to = memory.mips.data();
    const auto last = [&]() -> const DeviceImage& { return frame.mips[frame.mip_count - 1]; };
    const auto ends = [&] { return frame.mip_count == kMostMips || is_pixel({last().height, last().width}); };
    while (!ends()) {
      Halve halve{last(), {}, 0};
      while (halve.count < Halve::kMost && !ends()) {
        const Size s = half_of({last().height, last().width});
        halve.mips[halve.count++] = {to, s.height, s.width};
        frame.mips[frame.mip_count++] = {to, s.height, s.width, ptrdiff_t{3} * s.width};
        to += static_cast<size_t>(s.height) * s.width * 3;
      }
      runtime_.for_each(int64_t{last().height} * last().width, halve);
    }
  }

  Runtime& runtime_;
  Staging<Runtime>& staging_;
  std::shared_ptr<ThreadPool> copiers_;
  Resize mode_ = Resize::kArea;
  std::vector<Memory> memory_;  // one a frame
  std::vector<DeviceFrame> host_frames_;
  std::vector<Size> host_sizes_;
  Buffer<Runtime, std::byte> description_{runtime_};  // what follows
  const DeviceFrame* frames_ = nullptr;
  const Size* sizes_ = nullptr;
  Buffer<Runtime, std::byte> resized_frame_{runtime_};
  Buffer<Runtime, Taps> taps_{runtime_};  // of resized_frame_
};

}  // namespace trtmtcnn::cuda
