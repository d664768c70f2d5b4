// A modelled CUDA stream: what it is given runs later, in order, when the host waits or by itself at a time of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "runtime/function_ref.h"
#include "testing/gpu_model.h"
#include "testing/thread_order.h"

namespace trtmtcnn::testing {

class StreamModel {
 public:
  using Operation = std::function<void()>;
  using Operations = std::vector<Operation>;

  // By GpuModel::make_stream().
  StreamModel(std::shared_ptr<GpuModel> gpu, uint32_t seed) : gpu_(std::move(gpu)), random_(seed), order_(seed) {}
  ~StreamModel();
  StreamModel(const StreamModel&) = delete;
  StreamModel& operator=(const StreamModel&) = delete;

  GpuModel& gpu() { return *gpu_; }
  ThreadOrder& thread_order() { return order_; }  // while an operation runs

  void enqueue(Operation operation);
  // Runs a few of the operations, or none.
  void get_on();
  // Runs what is enqueued. Throws DeviceError for a misuse.
  void finish();
  // The number of operations enqueued so far, and running up to it.
  uint64_t position();
  void run_to(uint64_t position);

  // What is enqueued meanwhile does not run but is returned. Throws what `work` throws, or DeviceError where something
  // was done that spoils a capture.
  Operations capture(FunctionRef work);
  bool capturing();
  // Throws DeviceError, and spoils the capture, while there is one.
  void forbid_while_capturing(const char* what);
  // Returns whether there was a capture to spoil.
  bool spoil_capture();

 private:
  bool run_one(uint64_t before);

  std::shared_ptr<GpuModel> gpu_;
  std::mutex mutex_;  // of what follows
  std::deque<Operation> queue_;
  uint64_t taken_ = 0;  // operations that left the queue
  bool capturing_ = false;
  std::string spoilt_;
  Operations captured_;
  std::mt19937 random_;
  ThreadOrder order_;  // used by the stream that runs
};

}  // namespace trtmtcnn::testing
