// What kernels call beside arithmetic. Kernels are functors called once for each index: nvcc compiles them for the GPU;
// the plain compiler compiles the same source for the CPU, where a loop takes the place of the launch, so that every
// kernel is tested on machines without a GPU, too.
#pragma once

#include <cstdint>

#include "host_device.h"

namespace trtmtcnn::cuda {

// The type of a kernel's index: int, or int64_t where it may have 2^31 threads and more.
template <typename Kernel>
struct KernelIndex {
  template <typename Class, typename Index>  // the kernel's, or that of a base
  static Index of(void (Class::*)(Index) const);
  using Type = decltype(of(&Kernel::operator()));
};
template <typename Kernel>
using index_of = typename KernelIndex<Kernel>::Type;

// Returns the value before.
TRTMTCNN_HD int atomic_add(int* address, int value) {
#ifdef __CUDA_ARCH__
  return atomicAdd(address, value);
#else
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
#endif
}

TRTMTCNN_HD void atomic_or(uint32_t* address, uint32_t bits) {
#ifdef __CUDA_ARCH__
  atomicOr(address, bits);
#else
  __atomic_fetch_or(address, bits, __ATOMIC_RELAXED);
#endif
}

TRTMTCNN_HD int popcount(uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __popc(bits);
#else
  return __builtin_popcount(bits);
#endif
}

// The number of the lowest bit that is set; of no meaning where none is.
TRTMTCNN_HD int lowest_bit(uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __ffs(static_cast<int>(bits)) - 1;
#else
  return __builtin_ctz(bits);
#endif
}

// The last entry of ascending starts[0 .. n) that is not above i.
template <typename Index>
TRTMTCNN_HD int segment_of(const Index* starts, int n, Index i) {
  int low = 0, high = n - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (starts[middle] <= i)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

}  // namespace trtmtcnn::cuda
