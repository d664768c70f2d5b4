// The 32 threads that run in step as a warp. A kernel that works by warps is called once for each warp: what is written
// in it every lane does; what is to be done by one lane, or by each for itself, it hands to the warp.
#pragma once

#include <cstdint>

#include "host_device.h"

namespace trtmtcnn::cuda {

inline constexpr int kWarp = 32;

#ifdef __CUDACC__
class DeviceWarp {
 public:
  __device__ explicit DeviceWarp(int lane) : lane_(lane) {}

  // What each lane has of its own from one call to the next.
  template <typename T>
  struct PerLane {
    T value;
    __device__ T& operator[](int) { return value; }
  };

  // Does it in each lane.
  template <typename Work>
  __device__ void each(const Work& work) const {
    work(lane_);
  }

  // Bit l of the result is holds(l). What lanes wrote before is seen by all.
  template <typename Holds>
  __device__ uint32_t ballot(const Holds& holds) const {
    __syncwarp();
    return __ballot_sync(~0u, holds(lane_));
  }
  // Does it in one lane.
  template <typename Work>
  __device__ void once(const Work& work) const {
    __syncwarp();
    if (lane_ == 0) work();
    __syncwarp();
  }

 private:
  int lane_;
};
#endif

// On a CPU: one thread does what all lanes do, and for each lane what they do for themselves, from lane `first` on.
class LoopWarp {
 public:
  explicit LoopWarp(int first = 0) : first_(first) {}

  template <typename T>
  struct PerLane {
    T values[kWarp];
    T& operator[](int lane) { return values[lane]; }
  };

  template <typename Work>
  void each(const Work& work) const {
    for (int i = 0; i < kWarp; ++i) work((first_ + i) % kWarp);
  }

  template <typename Holds>
  uint32_t ballot(const Holds& holds) const {
    uint32_t bits = 0;
    for (int i = 0; i < kWarp; ++i) {
      const int lane = (first_ + i) % kWarp;
      if (holds(lane)) bits |= 1u << lane;
    }
    return bits;
  }
  template <typename Work>
  void once(const Work& work) const {
    work();
  }

 private:
  int first_;
};

}  // namespace trtmtcnn::cuda
