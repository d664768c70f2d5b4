// Functions that the plain compiler compiles for the CPU and nvcc for CPU and GPU.
#pragma once

#ifdef __CUDACC__
#define TRTMTCNN_HD __host__ __device__ inline
#else
#define TRTMTCNN_HD inline
#endif

namespace trtmtcnn {

// As std::min, std::max and std::clamp, which kernels cannot call.
template <typename T>
TRTMTCNN_HD T min(T a, T b) {
  return b < a ? b : a;
}

template <typename T>
TRTMTCNN_HD T max(T a, T b) {
  return a < b ? b : a;
}

template <typename T>
TRTMTCNN_HD T clamp(T value, T low, T high) {
  return value < low ? low : (high < value ? high : value);
}

// A product that is rounded by itself: nvcc would fuse it with a sum, and results would be others than on a CPU.
TRTMTCNN_HD float product(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

}  // namespace trtmtcnn
