#include "testing/gpu_model.h"

#include "error.h"
#include "testing/stream_model.h"

namespace trtmtcnn::testing {

void GpuModel::call(Call call, std::string_view what, size_t amount) {
  const auto kind = static_cast<size_t>(call);
  const std::lock_guard lock(mutex_);
  if (lost_) throw DeviceError("CUDA cannot go on: the GPU was lost, as it was told to be");
  if (left_[kind] > 0) {
    --left_[kind];
  } else if (left_[kind] == 0) {
    if (--times_[kind] == 0) left_[kind] = -1;
    lost_ = for_good_;
    failed_ = true;
    throw DeviceError(std::string("CUDA cannot ") + kCallNames[kind] + ": it was told to fail here");
  }
  ++counts_[kind];
  if (tracing_) trace_.push_back({call, std::string(what), amount});
}

void GpuModel::fail(Call call, int64_t after, int64_t times, bool for_good) {
  const std::lock_guard lock(mutex_);
  left_[static_cast<size_t>(call)] = after;
  times_[static_cast<size_t>(call)] = times;
  for_good_ = for_good;
}

bool GpuModel::mend() {
  const std::lock_guard lock(mutex_);
  left_.fill(-1);
  lost_ = false;
  return std::exchange(failed_, false);
}

void GpuModel::misuse(std::string what) {
  const std::lock_guard lock(mutex_);
  misuses_.push_back(std::move(what));
}

std::vector<std::string> GpuModel::misuses() const {
  const std::lock_guard lock(mutex_);
  return misuses_;
}

void GpuModel::check_misuse() {
  const std::lock_guard lock(mutex_);
  if (!misuses_.empty()) throw DeviceError("misuse of CUDA: " + misuses_.front());
}

void GpuModel::start_trace() {
  const std::lock_guard lock(mutex_);
  trace_.clear();
  tracing_ = true;
}

std::vector<GpuModel::Traced> GpuModel::take_trace() {
  const std::lock_guard lock(mutex_);
  tracing_ = false;
  return std::exchange(trace_, {});
}

std::shared_ptr<StreamModel> GpuModel::make_stream() {
  const std::lock_guard lock(mutex_);
  auto stream = std::make_shared<StreamModel>(shared_from_this(), seed_ + streams_made_++);
  std::erase_if(streams_, [](const auto& entry) { return entry.second.expired(); });
  streams_[stream.get()] = stream;
  return stream;
}

std::shared_ptr<StreamModel> GpuModel::find_stream(const void* handle) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(handle);
  return found == streams_.end() ? nullptr : found->second.lock();
}

void GpuModel::forbid_while_capturing(const char* what) {
  std::vector<std::shared_ptr<StreamModel>> streams;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [handle, stream] : streams_)
      if (auto live = stream.lock()) streams.push_back(std::move(live));
  }
  bool any = false;
  for (const auto& stream : streams) any |= stream->spoil_capture();
  if (any) throw DeviceError(std::string("CUDA cannot ") + what + ": a stream is capturing");
}

}  // namespace trtmtcnn::testing
