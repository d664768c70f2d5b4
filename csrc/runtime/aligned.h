// Memory for vectors: a load that crosses a cache line takes twice the time.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/memory.h"

namespace trtmtcnn {

template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(trtmtcnn::allocate(n * sizeof(T))); }
  void deallocate(T* p, size_t n) { trtmtcnn::deallocate(p, n * sizeof(T)); }
  bool operator==(const AlignedAllocator&) const { return true; }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace trtmtcnn
