// The GPU backend's memory and launches on the CPU: plain memory and loops. For tests.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cuda/device_functions.h"
#include "cuda/stream_counters.h"
#include "cuda/warp.h"
#include "runtime/function_ref.h"
#include "types.h"

namespace trtmtcnn::cuda {

class HostRuntime : public StreamCounters {
 public:
  struct Graph {
    explicit operator bool() const { return false; }
  };

  struct Current {
    explicit Current(const HostRuntime&) {}
  };

  bool can_capture() const { return false; }
  Graph capture(FunctionRef) { return {}; }
  void launch(const Graph&) {}

  void* allocate(size_t bytes) {
    void* memory = std::malloc(bytes);
    if (!memory) throw std::bad_alloc();
    memory_changed();
    return memory;
  }
  void free(void* memory) {
    std::free(memory);
    memory_changed();
  }
  void* allocate_pinned(size_t bytes) { return allocate(bytes); }
  void free_pinned(void* memory) { free(memory); }

  void zero(void* to, size_t bytes) {
    enqueued();
    if (bytes > 0) std::memset(to, 0, bytes);  // which takes no null, not even then; nor does memcpy
  }
  void upload(void* to, const void* from, size_t bytes) { copy(to, from, bytes); }
  void copy(void* to, const void* from, size_t bytes) {
    enqueued();
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void download(void* to, const void* from, size_t bytes) { copy(to, from, bytes); }
  void check_place(const Image&) {}
  void wait_for(void*) {}
  void synchronize() { passed(); }
  void* stream() { return nullptr; }

  template <typename Kernel>
  void for_each(int64_t n, const Kernel& kernel) {
    for (int64_t i = 0; i < n; ++i) kernel(static_cast<index_of<Kernel>>(i));
  }
  template <typename Kernel>
  void for_each_warp(int n, const Kernel& kernel) {
    for (int i = 0; i < n; ++i) kernel(LoopWarp(), i);
  }
};

}  // namespace trtmtcnn::cuda
