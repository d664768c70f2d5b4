// The GPU backend's memory and launches on one GPU, in a stream of its own.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "error.h"

namespace trtmtcnn::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // so that it is not reported again later
  throw DeviceError(std::string("CUDA cannot ") + what + ": " + cudaGetErrorString(status));
}

template <typename Kernel>
__global__ void run_kernel(int n, Kernel kernel) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) kernel(i);
}

class CudaRuntime {
 public:
  explicit CudaRuntime(int device) : device_(device) {
    use();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
  }
  ~CudaRuntime() {
    cudaSetDevice(device_);
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }
  CudaRuntime(const CudaRuntime&) = delete;
  CudaRuntime& operator=(const CudaRuntime&) = delete;

  // Any thread may call next: each has its own current device.
  void use() { check(cudaSetDevice(device_), "use the GPU"); }

  void* allocate(size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "allocate GPU memory");
    return memory;
  }
  void free(void* memory) {
    cudaSetDevice(device_);
    cudaFree(memory);  // waits for what uses it
  }
  void* allocate_pinned(size_t bytes) {
    void* memory = nullptr;
    check(cudaMallocHost(&memory, bytes), "allocate pinned memory");
    return memory;
  }
  void free_pinned(void* memory) { cudaFreeHost(memory); }

  void zero(void* to, size_t bytes) { check(cudaMemsetAsync(to, 0, bytes, stream_), "clear GPU memory"); }
  void upload(void* to, const void* from, size_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "copy to the GPU");
  }
  void download(void* to, const void* from, size_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "copy from the GPU");
  }
  void synchronize() { check(cudaStreamSynchronize(stream_), "finish its work"); }
  void* stream() { return stream_; }

  template <typename Kernel>
  void for_each(int n, const Kernel& kernel) {
    if (n <= 0) return;
    constexpr int kBlock = 256;
    run_kernel<<<(n + kBlock - 1) / kBlock, kBlock, 0, stream_>>>(n, kernel);
    check(cudaGetLastError(), "start a kernel");
  }

 private:
  int device_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace trtmtcnn::cuda
