// Times what a stream is given, for LaunchTrace.
#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cuda/launch_trace.h"

namespace trtmtcnn::cuda {

// Keeps a stream from going on until it is opened: kernels that were enqueued meanwhile run without the gaps in which a
// GPU waits for the host, which would count as theirs.
class StreamGate {
 public:
  bool is_closed() const { return is_closed_; }

  void close(cudaStream_t stream) {
    if (is_closed_ || cudaLaunchHostFunc(stream, &StreamGate::wait, this) != cudaSuccess) return;
    is_closed_ = true;
  }

  void open() {
    if (!is_closed_) return;
    is_closed_ = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++opened_;
    }
    changed_.notify_all();
  }

 private:
  // In a thread of CUDA's. Should a call of the host wait for what the gate holds up, both go on after a while.
  static void CUDART_CB wait(void* argument) {
    auto& gate = *static_cast<StreamGate*>(argument);
    std::unique_lock<std::mutex> lock(gate.mutex_);
    const int mine = ++gate.arrived_;
    gate.changed_.wait_for(lock, kMost, [&] { return gate.opened_ >= mine; });
  }

  static constexpr std::chrono::milliseconds kMost{500};

  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0, opened_ = 0;
  bool is_closed_ = false;
};

class StreamTimer {
 public:
  StreamTimer() = default;
  StreamTimer(const StreamTimer&) = delete;
  StreamTimer& operator=(const StreamTimer&) = delete;

  // Does `enqueue`; while a LaunchTrace is on, between two events. `name` is called then.
  // `behind_gate`: whether the host need not wait for it.
  template <typename Name, typename Enqueue>
  void time(cudaStream_t stream, const char* kind, const Name& name, int64_t amount, bool behind_gate,
            const Enqueue& enqueue) {
    if (!LaunchTrace::is_on()) return enqueue();
    if (!behind_gate || launches_.size() % kMostHeld == kMostHeld - 1) gate_.open();
    if (behind_gate) gate_.close(stream);
    const cudaEvent_t before = event(2 * launches_.size()), after = event(2 * launches_.size() + 1);
    if (!before || !after) return enqueue();
    cudaEventRecord(before, stream);
    enqueue();
    cudaEventRecord(after, stream);
    launches_.push_back({kind, name(), amount});
  }

  // To be called before it goes, with its GPU the thread's and nothing in its stream.
  void destroy_events() {
    for (cudaEvent_t event : events_) cudaEventDestroy(event);
    events_.clear();
  }

  // Before the host waits for the stream, or does what may.
  void open() { gate_.open(); }

  // After the host has waited.
  void waited() {
    if (launches_.empty() && !LaunchTrace::is_on()) return;
    for (size_t i = 0; i < launches_.size(); ++i) {
      float ms = 0;
      if (cudaEventElapsedTime(&ms, events_[2 * i], events_[2 * i + 1]) == cudaSuccess) launches_[i].us = 1000 * ms;
      LaunchTrace::add(std::move(launches_[i]));
    }
    launches_.clear();
    LaunchTrace::add({"wait", "", 0});
  }

 private:
  static constexpr size_t kMostHeld = 200;  // a stream takes about a thousand calls before the host must wait

  cudaEvent_t event(size_t i) {
    while (events_.size() <= i) {
      cudaEvent_t made = nullptr;
      if (cudaEventCreateWithFlags(&made, cudaEventDefault) != cudaSuccess) return nullptr;
      events_.push_back(made);
    }
    return events_[i];
  }

  StreamGate gate_;
  std::vector<cudaEvent_t> events_;  // two a launch
  std::vector<TimedLaunch> launches_;
};

}  // namespace trtmtcnn::cuda
