// What has happened to a stream's memory and when the host last waited for it; every runtime counts.
#pragma once

#include <atomic>
#include <cstddef>

namespace trtmtcnn::cuda {

class StreamCounters {
 public:
  // Changes whenever memory is allocated or freed: while it stays, addresses hold.
  size_t memory_generation() const { return memory_generation_; }
  // How often the host has waited for all that the stream held.
  size_t synchronisations() const { return synchronisations_; }
  // Whether the host has waited for all that the stream was given.
  bool idle() const { return !busy_.load(std::memory_order_relaxed); }
  // To be called when the stream is given something, by any thread: some is given past the runtime.
  void enqueued() { busy_.store(true, std::memory_order_relaxed); }

 protected:
  void memory_changed() { ++memory_generation_; }
  void passed() {
    ++synchronisations_;
    busy_.store(false, std::memory_order_relaxed);
  }

 private:
  size_t memory_generation_ = 0, synchronisations_ = 0;
  std::atomic<bool> busy_ = false;
};

}  // namespace trtmtcnn::cuda
