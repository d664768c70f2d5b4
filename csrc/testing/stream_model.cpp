#include "testing/stream_model.h"

#include <chrono>
#include <limits>
#include <thread>
#include <utility>

#include "error.h"

namespace trtmtcnn::testing {

StreamModel::~StreamModel() {
  try {
    run_to(std::numeric_limits<uint64_t>::max());
  } catch (...) {  // what no one waits for, no one hears of
    gpu_->misuse("a stream was destroyed with work that failed");
  }
}

void StreamModel::enqueue(Operation operation) {
  if (capturing()) std::this_thread::sleep_for(std::chrono::microseconds(100));  // time for others to spoil it
  const std::lock_guard lock(mutex_);
  if (capturing_)
    captured_.push_back(std::move(operation));
  else
    queue_.push_back(std::move(operation));
}

void StreamModel::get_on() {
  uint64_t until;
  {
    const std::lock_guard lock(mutex_);
    if (capturing_ || random_() % 16 > 0) return;
    until = taken_ + random_() % 8;
  }
  run_to(until);
}

void StreamModel::finish() {
  run_to(std::numeric_limits<uint64_t>::max());
  gpu_->check_misuse();
}

uint64_t StreamModel::position() {
  const std::lock_guard lock(mutex_);
  return taken_ + queue_.size();
}

void StreamModel::run_to(uint64_t position) {
  const std::lock_guard running(gpu_->running());
  const GpuMemory::Access access(gpu_->memory());
  while (run_one(position)) {
  }
}

bool StreamModel::run_one(uint64_t before) {
  Operation operation;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty() || taken_ >= before) return false;
    operation = std::move(queue_.front());
    queue_.pop_front();
    ++taken_;
  }
  operation();
  return true;
}

StreamModel::Operations StreamModel::capture(FunctionRef work) {
  {
    const std::lock_guard lock(mutex_);
    capturing_ = true;
    spoilt_.clear();
    captured_.clear();
  }
  const auto end = [this] {
    const std::lock_guard lock(mutex_);
    capturing_ = false;
    return std::exchange(captured_, {});
  };
  try {
    work();
  } catch (...) {
    end();
    throw;
  }
  Operations operations = end();
  if (!spoilt_.empty()) throw DeviceError("CUDA cannot capture its work: " + spoilt_);
  return operations;
}

bool StreamModel::capturing() {
  const std::lock_guard lock(mutex_);
  return capturing_;
}

void StreamModel::forbid_while_capturing(const char* what) {
  const std::lock_guard lock(mutex_);
  if (!capturing_) return;
  spoilt_ = std::string("it was asked to ") + what;
  throw DeviceError(std::string("CUDA cannot ") + what + ": the stream is capturing");
}

bool StreamModel::spoil_capture() {
  const std::lock_guard lock(mutex_);
  if (capturing_) spoilt_ = "another thread called what no capture may see";
  return capturing_;
}

}  // namespace trtmtcnn::testing
