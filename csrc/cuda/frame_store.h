// The frames of a call on the device.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/resample.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class FrameStore {
 public:
  FrameStore(Runtime& runtime, std::shared_ptr<ThreadPool> copiers) : runtime_(runtime), copiers_(std::move(copiers)) {}

  void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) {
    host_sizes_.assign(sizes.begin(), sizes.end());
    mode_ = mode;
    host_frames_.assign(images.size(), DeviceFrame{});
    while (memory_.size() < images.size()) memory_.emplace_back(runtime_);
    for (size_t i = 0; i < images.size(); ++i) load(images[i], sizes[i], memory_[i], host_frames_[i]);
    upload(runtime_, frames_, host_frames_);
    upload(runtime_, sizes_, host_sizes_);
  }

  Resize mode() const { return mode_; }
  bool area() const { return mode_ == Resize::kArea; }
  const std::vector<Size>& host_sizes() const { return host_sizes_; }
  // On the device.
  const DeviceFrame* frames() const { return frames_.data(); }
  const Size* sizes() const { return sizes_.data(); }

 private:
  static constexpr size_t kPiece = 512 << 10;  // bytes of a frame that are sent at once

  struct Memory {
    explicit Memory(Runtime& r) : pinned(r), pixels(r), resized(r), mips(r) {}
    Buffer<Runtime, uint8_t, true> pinned;
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
    resized_frame_.reserve(1);
    runtime_.upload(resized_frame_.data(), &frame, sizeof(DeviceFrame));
    taps_.reserve(static_cast<size_t>(size.height) + size.width);
    runtime_.for_each(size.height + size.width, ResizeTaps{resized_frame_.data(), area(), size, taps_.data()});
    runtime_.for_each(size.height * size.width,
                      ResizeFrame{resized_frame_.data(), taps_.data(), memory.resized.data(), size});
    build_mips({memory.resized.data(), size.height, size.width, ptrdiff_t{3} * size.width}, memory, frame);
  }

  // Through pinned memory, from which the GPU fetches by itself, in pieces: while one travels the next are copied
  // there, by several threads, as the bus takes more than one core can copy.
  void send(const Image& image, Memory& memory) {
    const size_t row = static_cast<size_t>(image.width) * 3, bytes = row * image.height;
    memory.pixels.reserve(bytes);
    memory.pinned.reserve(bytes);  // nothing reads it any more: every call ends with a synchronisation
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
      runtime_.for_each(last().height * last().width, halve);
    }
  }

  Runtime& runtime_;
  std::shared_ptr<ThreadPool> copiers_;
  Resize mode_ = Resize::kArea;
  std::vector<Memory> memory_;  // one a frame
  std::vector<DeviceFrame> host_frames_;
  std::vector<Size> host_sizes_;
  Buffer<Runtime, DeviceFrame> frames_{runtime_}, resized_frame_{runtime_};
  Buffer<Runtime, Size> sizes_{runtime_};
  Buffer<Runtime, Taps> taps_{runtime_};  // of resized_frame_
};

}  // namespace trtmtcnn::cuda
