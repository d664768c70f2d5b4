// The GPU backend's memory and launches on a modelled GPU: cuda/stream_runtime.h for machines without one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <typeinfo>
#include <utility>

#include "cuda/device_functions.h"
#include "cuda/launch_trace.h"
#include "cuda/stream_counters.h"
#include "cuda/warp.h"
#include "runtime/function_ref.h"
#include "testing/gpu_model.h"
#include "testing/stream_model.h"
#include "types.h"

namespace trtmtcnn::testing {

class ModelRuntime : public cuda::StreamCounters {
 public:
  explicit ModelRuntime(std::shared_ptr<GpuModel> gpu) : gpu_(std::move(gpu)), stream_(gpu_->make_stream()) {}
  ~ModelRuntime();
  ModelRuntime(const ModelRuntime&) = delete;
  ModelRuntime& operator=(const ModelRuntime&) = delete;

  struct Graph {
    std::shared_ptr<const StreamModel::Operations> operations;
    explicit operator bool() const { return operations != nullptr; }
  };

  struct Current {
    explicit Current(const ModelRuntime&) {}
  };

  bool can_capture() const;
  Graph capture(FunctionRef work);
  void launch(const Graph& graph);

  void* allocate(size_t bytes);
  void free(void* memory);  // waits for the stream
  void* allocate_pinned(size_t bytes);
  void free_pinned(void* memory);

  void zero(void* to, size_t bytes);
  void upload(void* to, const void* from, size_t bytes);
  void copy(void* to, const void* from, size_t bytes);
  void download(void* to, const void* from, size_t bytes);
  void check_place(const Image&) {}
  void wait_for(void* stream);
  void synchronize();
  void* stream() { return stream_.get(); }

  template <typename Kernel>
  void for_each(int64_t n, const Kernel& kernel) {
    if (n <= 0) return;
    if (n > std::numeric_limits<int>::max()) throw std::bad_alloc();
    gpu_->call(Call::kKernel, cuda::kernel_name(typeid(Kernel)), static_cast<size_t>(n));
    enqueued();
    stream_->enqueue([order = &stream_->thread_order(), n, kernel] { order->visit(static_cast<int>(n), kernel); });
    stream_->get_on();
  }
  template <typename Kernel>
  void for_each_warp(int n, const Kernel& kernel) {
    if (n <= 0) return;
    gpu_->call(Call::kKernel, cuda::kernel_name(typeid(Kernel)), static_cast<size_t>(n));
    enqueued();
    stream_->enqueue([order = &stream_->thread_order(), n, kernel] {
      order->visit(n, [&](int i) { kernel(cuda::LoopWarp(order->lane()), i); });
    });
    stream_->get_on();
  }

 private:
  void need_device_memory(const void* memory, size_t bytes, const char* what);

  std::shared_ptr<GpuModel> gpu_;
  std::shared_ptr<StreamModel> stream_;
};

}  // namespace trtmtcnn::testing
