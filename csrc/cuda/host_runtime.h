// The GPU backend's memory and launches on the CPU: plain memory and loops. For tests.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/function_ref.h"

namespace trtmtcnn::cuda {

class HostRuntime {
 public:
  struct Graph {
    explicit operator bool() const { return false; }
  };

  void use() {}
  size_t allocations() const { return allocations_; }
  bool can_capture() const { return false; }
  Graph capture(FunctionRef) { return {}; }
  void launch(const Graph&) {}

  void* allocate(size_t bytes) {
    void* memory = std::malloc(bytes);
    if (!memory) throw std::bad_alloc();
    ++allocations_;
    return memory;
  }
  void free(void* memory) { std::free(memory); }
  void* allocate_pinned(size_t bytes) { return allocate(bytes); }
  void free_pinned(void* memory) { free(memory); }

  void zero(void* to, size_t bytes) { std::memset(to, 0, bytes); }
  void upload(void* to, const void* from, size_t bytes) { copy(to, from, bytes); }
  void copy(void* to, const void* from, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);  // which takes no null, not even then
  }
  void download(void* to, const void* from, size_t bytes) { copy(to, from, bytes); }
  void wait_for(void*) {}
  void synchronize() {}
  void* stream() { return nullptr; }

  template <typename Kernel>
  void for_each(int n, const Kernel& kernel) {
    for (int i = 0; i < n; ++i) kernel(i);
  }

 private:
  size_t allocations_ = 0;
};

}  // namespace trtmtcnn::cuda
