// The GPU backend's memory and launches on the CPU: plain memory and loops. For tests.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>

namespace trtmtcnn::cuda {

class HostRuntime {
 public:
  void use() {}

  void* allocate(size_t bytes) {
    void* memory = std::malloc(bytes);
    if (!memory) throw std::bad_alloc();
    return memory;
  }
  void free(void* memory) { std::free(memory); }
  void* allocate_pinned(size_t bytes) { return allocate(bytes); }
  void free_pinned(void* memory) { free(memory); }

  void zero(void* to, size_t bytes) { std::memset(to, 0, bytes); }
  void upload(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
  void synchronize() {}
  void* stream() { return nullptr; }

  template <typename Kernel>
  void for_each(int n, const Kernel& kernel) {
    for (int i = 0; i < n; ++i) kernel(i);
  }
};

}  // namespace trtmtcnn::cuda
