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
    find_halvings(host_frames_);
    std::tie(frames_, sizes_, starts_) =
        staging_.upload(description_, std::span<const DeviceFrame>(host_frames_), std::span<const Size>(host_sizes_),
                        std::span<const int64_t>(host_starts_));
    has_mips_ = false;
  }

  // Enqueues the making of the frames' mips, without which nothing may read the frames: the same work for all of these
  // sizes, which can be captured.
  void make_mips() {
    halve(frames_, static_cast<int>(host_frames_.size()), starts_);
    has_mips_ = true;
  }
  // The same where it was not done since load().
  void need_mips() {
    if (!has_mips_) make_mips();
  }
  // After captured work that makes them.
  void mips_were_made() { has_mips_ = true; }

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
    describe_mips(pixels, memory, frame);
    if (size == Size{image.height, image.width}) return;

    memory.resized.reserve(static_cast<size_t>(size.height) * size.width * 3);
    const std::span<const DeviceFrame> whole(&frame, 1);
    find_halvings(whole);
    const auto [device_frame, starts] = staging_.upload(resized_frame_, whole, std::span<const int64_t>(host_starts_));
    halve(device_frame, 1, starts);
    const int64_t sides = int64_t{size.height} + size.width;
    taps_.reserve(static_cast<size_t>(sides));
    runtime_.for_each(sides, ResizeTaps{device_frame, area(), size, taps_.data()});
    runtime_.for_each(int64_t{size.height} * size.width,
                      ResizeFrame{device_frame, taps_.data(), memory.resized.data(), size});
    describe_mips({memory.resized.data(), size.height, size.width, ptrdiff_t{3} * size.width}, memory, frame);
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

  // Where a frame's mips are to be.
  void describe_mips(const DeviceImage& base, Memory& memory, DeviceFrame& frame) {
    frame.mips[0] = base;
    frame.mip_count = 1;
    if (!area()) return;
    size_t bytes = 0;
    for (Size s{base.height, base.width}; s.height > 1 || s.width > 1;) {
      s = half_of(s);
      bytes += static_cast<size_t>(s.height) * s.width * 3;
    }
    memory.mips.reserve(bytes);
    const uint8_t* to = memory.mips.data();
    for (Size s{base.height, base.width}; frame.mip_count < kMostMips && (s.height > 1 || s.width > 1);) {
      s = half_of(s);
      frame.mips[frame.mip_count++] = {to, s.height, s.width, ptrdiff_t{3} * s.width};
      to += static_cast<size_t>(s.height) * s.width * 3;
    }
  }

  // The launches that make the mips of these frames, and the first thread of each frame in each.
  void find_halvings(std::span<const DeviceFrame> frames) {
    host_starts_.clear();
    halvings_.clear();
    for (int from = 0;; from += Halve::kMost) {
      int64_t threads = 0;
      const size_t first = host_starts_.size();
      for (const DeviceFrame& frame : frames) {
        host_starts_.push_back(threads);
        const int last = std::min(from + Halve::kMost, frame.mip_count - 1);
        if (last > from) threads += int64_t{frame.mips[last].height} * frame.mips[last].width;
      }
      if (threads == 0) return;
      halvings_.push_back({from, first, threads});
    }
  }

  void halve(const DeviceFrame* frames, int count, const int64_t* starts) {
    for (const Halving& halving : halvings_)
      runtime_.for_each(halving.threads, Halve{frames, starts + halving.first_start, count, halving.from});
  }

  Runtime& runtime_;
  Staging<Runtime>& staging_;
  std::shared_ptr<ThreadPool> copiers_;
  Resize mode_ = Resize::kArea;
  std::vector<Memory> memory_;  // one a frame
  std::vector<DeviceFrame> host_frames_;
  std::vector<Size> host_sizes_;
  // Of find_halvings().
  struct Halving {
    int from;
    size_t first_start;
    int64_t threads;
  };
  std::vector<Halving> halvings_;
  std::vector<int64_t> host_starts_;
  bool has_mips_ = false;
  Buffer<Runtime, std::byte> description_{runtime_};  // what follows
  const DeviceFrame* frames_ = nullptr;
  const Size* sizes_ = nullptr;
  const int64_t* starts_ = nullptr;
  Buffer<Runtime, std::byte> resized_frame_{runtime_};
  Buffer<Runtime, Taps> taps_{runtime_};  // of resized_frame_
};

}  // namespace trtmtcnn::cuda
