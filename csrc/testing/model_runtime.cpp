#include "testing/model_runtime.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "error.h"
#include "runtime/environment.h"
#include "runtime/pages.h"

namespace trtmtcnn::testing {

using Kind = GpuMemory::Kind;

namespace {

// Whether memory, which may be unmapped by now, holds these bytes.
bool still_holds(const void* memory, const std::string& bytes) {
  std::string now(bytes.size(), '\0');
  return read_memory(memory, now.data(), now.size()) && now == bytes;
}

}  // namespace

ModelRuntime::~ModelRuntime() {
  try {
    stream_->run_to(std::numeric_limits<uint64_t>::max());
  } catch (...) {
    gpu_->misuse("a stream was destroyed with work that failed");
  }
}

bool ModelRuntime::can_capture() const {
  static const bool wanted = environment::cuda_graphs();
  return wanted;
}

ModelRuntime::Graph ModelRuntime::capture(FunctionRef work) {
  gpu_->call(Call::kCapture, "", 0);
  auto operations = std::make_unique<const StreamModel::Operations>(stream_->capture(work));
  ++gpu_->live_graphs();
  return {{operations.release(), [gpu = gpu_](const StreamModel::Operations* graph) {
             --gpu->live_graphs();
             delete graph;
           }}};
}

void ModelRuntime::launch(const Graph& graph) {
  gpu_->call(Call::kGraph, "", graph.operations->size());
  enqueued();
  stream_->enqueue([operations = graph.operations] {
    for (const auto& operation : *operations) operation();
  });
  stream_->get_on();
}

void* ModelRuntime::allocate(size_t bytes) {
  stream_->forbid_while_capturing("allocate GPU memory");
  gpu_->call(Call::kAllocate, "", bytes);
  void* memory = gpu_->memory().allocate(bytes, Kind::kDevice);
  if (!memory) throw DeviceError("CUDA cannot allocate GPU memory: out of memory");
  memory_changed();
  return memory;
}

void ModelRuntime::free(void* memory) {
  if (stream_->capturing()) gpu_->misuse("GPU memory was freed while its stream was capturing");
  stream_->run_to(stream_->position());
  memory_changed();
  if (!gpu_->memory().free(memory, Kind::kDevice)) gpu_->misuse("freed what is no GPU memory, or was freed before");
}

void* ModelRuntime::allocate_pinned(size_t bytes) {
  stream_->forbid_while_capturing("allocate pinned memory");
  gpu_->call(Call::kAllocatePinned, "", bytes);
  void* memory = gpu_->memory().allocate(bytes, Kind::kPinned);
  if (!memory) throw DeviceError("CUDA cannot allocate pinned memory: out of memory");
  memory_changed();
  return memory;
}

void ModelRuntime::free_pinned(void* memory) {
  if (stream_->capturing()) gpu_->misuse("pinned memory was freed while its stream was capturing");
  stream_->run_to(stream_->position());
  memory_changed();
  if (!gpu_->memory().free(memory, Kind::kPinned)) gpu_->misuse("freed what is no pinned memory, or was freed before");
}

void ModelRuntime::zero(void* to, size_t bytes) {
  gpu_->call(Call::kZero, "", bytes);
  enqueued();
  need_device_memory(to, bytes, "cleared");
  stream_->enqueue([=] { std::memset(to, 0, bytes); });
}

void ModelRuntime::upload(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  const bool pinned = gpu_->memory().holds(from, bytes, Kind::kPinned);
  gpu_->call(pinned ? Call::kUpload : Call::kUploadPageable, "", bytes);
  enqueued();
  need_device_memory(to, bytes, "written to");
  if (pinned) return stream_->enqueue([=] { std::memcpy(to, from, bytes); });
  if (stream_->capturing()) gpu_->misuse("a capture holds a copy from pageable memory");
  const auto kept = std::make_shared<std::string>(static_cast<const char*>(from), bytes);
  stream_->enqueue([=, gpu = gpu_.get()] {
    if (gpu->late_pageable() && !still_holds(from, *kept))
      gpu->misuse("pageable memory of " + std::to_string(bytes) + " bytes changed before its copy had read it");
    std::memcpy(to, kept->data(), bytes);
  });
}

void ModelRuntime::copy(void* to, const void* from, size_t bytes) {
  gpu_->call(Call::kCopy, "", bytes);
  enqueued();
  need_device_memory(to, bytes, "written to");
  need_device_memory(from, bytes, "read from");
  stream_->enqueue([=] { std::memcpy(to, from, bytes); });
}

void ModelRuntime::download(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  gpu_->call(Call::kDownload, "", bytes);
  enqueued();
  need_device_memory(from, bytes, "read from");
  stream_->enqueue([=] { std::memcpy(to, from, bytes); });
}

void ModelRuntime::wait_for(void* stream) {
  const auto other = gpu_->find_stream(stream);
  if (!other || other == stream_) return;  // its work is done
  enqueued();
  stream_->enqueue([other, position = other->position()] { other->run_to(position); });
}

void ModelRuntime::synchronize() {
  stream_->forbid_while_capturing("wait for the stream");
  gpu_->call(Call::kWait, "", 0);
  stream_->finish();
  passed();
}

void ModelRuntime::need_device_memory(const void* memory, size_t bytes, const char* what) {
  if (bytes == 0 || gpu_->memory().holds(memory, bytes, Kind::kDevice)) return;
  throw DeviceError("misuse of CUDA: " + std::to_string(bytes) + " bytes are " + what + " that are no GPU memory");
}

}  // namespace trtmtcnn::testing
