// The levels of a call's image pyramids on the device, and the taps that each is resized by.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <tuple>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/frame_store.h"
#include "cuda/kernels/pyramid.h"
#include "cuda/staging.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class LevelSet {
 public:
  LevelSet(Runtime& runtime, Staging<Runtime>& staging) : runtime_(runtime), staging_(staging) {}

  // Whether these levels of these frames are other than those of the call before: then upload() and make_taps() are to
  // follow, and where one throws they are other in the next call, too.
  bool changes(std::span<const Level> levels, const FrameStore<Runtime>& frames) {
    const auto is_as_before = [](const Level& a, const Level& b) {
      return a.size == b.size && a.frame == b.frame && a.scale_x == b.scale_x && a.scale_y == b.scale_y;
    };
    if (is_set_ && frames.mode() == mode_ && frames.host_sizes() == frame_sizes_ &&
        std::equal(levels.begin(), levels.end(), host_levels_.begin(), host_levels_.end(), is_as_before))
      return false;
    is_set_ = false;
    mode_ = frames.mode();
    frame_sizes_ = frames.host_sizes();
    host_levels_.assign(levels.begin(), levels.end());
    return true;
  }

  // Copies the levels, and with them arrays of the caller's, to the device; returns where these are.
  template <typename... T>
  std::tuple<const T*...> upload(std::span<const T>... arrays) {
    find_tap_starts();
    const auto places = staging_.upload(description_, std::span<const Level>(host_levels_),
                                        std::span<const int>(host_tap_starts_), arrays...);
    return std::apply(
        [this](const Level* levels, const int* tap_starts, const T*... others) {
          levels_ = levels;
          tap_starts_ = tap_starts;
          return std::tuple<const T*...>(others...);
        },
        places);
  }

  void make_taps(const FrameStore<Runtime>& frames) {
    taps_.reserve(tap_count_);
    runtime_.for_each(tap_count_, LevelTaps{frames.frames(), levels_, tap_starts_,
                                            static_cast<int>(host_levels_.size()), frames.area(), taps_.data()});
    is_set_ = true;
  }

  // On the device.
  const Level* levels() const { return levels_; }
  const Taps* taps() const { return taps_.data(); }
  const int* tap_starts() const { return tap_starts_; }  // of each level

 private:
  void find_tap_starts() {
    host_tap_starts_.clear();
    tap_count_ = 0;
    for (const Level& level : host_levels_) {
      host_tap_starts_.push_back(tap_count_);
      const int sides = level.size.height + level.size.width;
      if (sides > std::numeric_limits<int>::max() - tap_count_) throw std::bad_alloc();  // they are tens of GiB
      tap_count_ += sides;
    }
  }

  Runtime& runtime_;
  Staging<Runtime>& staging_;
  bool is_set_ = false;  // as follows
  Resize mode_ = Resize::kArea;
  std::vector<Size> frame_sizes_;
  std::vector<Level> host_levels_;
  std::vector<int> host_tap_starts_;
  int tap_count_ = 0;

  Buffer<Runtime, std::byte> description_{runtime_};  // what follows, and the caller's arrays
  const Level* levels_ = nullptr;
  const int* tap_starts_ = nullptr;
  Buffer<Runtime, Taps> taps_{runtime_};
};

}  // namespace trtmtcnn::cuda
