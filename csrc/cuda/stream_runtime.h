// The GPU backend's memory and launches on one GPU, in a stream of its own.
#pragma once

#include <cuda_runtime_api.h>

#include <string>
#include <utility>

#include "error.h"
#include "runtime/environment.h"
#include "runtime/function_ref.h"

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

class StreamRuntime {
 public:
  explicit StreamRuntime(int device) : device_(device) {
    use();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "make an event");
  }
  ~StreamRuntime() {
    cudaSetDevice(device_);
    cudaStreamSynchronize(stream_);
    cudaEventDestroy(event_);
    cudaStreamDestroy(stream_);
  }
  StreamRuntime(const StreamRuntime&) = delete;
  StreamRuntime& operator=(const StreamRuntime&) = delete;

  // What a stream was given, to be given to it again at once.
  class Graph {
   public:
    Graph() = default;
    explicit Graph(cudaGraphExec_t graph) : graph_(graph) {}
    ~Graph() {
      if (graph_) cudaGraphExecDestroy(graph_);
    }
    Graph(Graph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
    Graph& operator=(Graph&& other) noexcept {
      std::swap(graph_, other.graph_);
      return *this;
    }
    explicit operator bool() const { return graph_ != nullptr; }
    cudaGraphExec_t get() const { return graph_; }

   private:
    cudaGraphExec_t graph_ = nullptr;
  };

  bool can_capture() const {
    static const bool wanted = environment::cuda_graphs();
    return wanted;
  }

  Graph capture(FunctionRef work) {
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "start capturing");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      cudaStreamEndCapture(stream_, &graph);
      if (graph) cudaGraphDestroy(graph);
      static_cast<void>(cudaGetLastError());
      throw;
    }
    check(cudaStreamEndCapture(stream_, &graph), "capture its work");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "prepare captured work");
    return Graph(executable);
  }

  void launch(const Graph& graph) { check(cudaGraphLaunch(graph.get(), stream_), "start captured work"); }

  // Any thread may call next: each has its own current device.
  void use() { check(cudaSetDevice(device_), "use the GPU"); }

  void* allocate(size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "allocate GPU memory");
    ++allocations_;
    return memory;
  }
  void free(void* memory) {
    cudaSetDevice(device_);
    cudaFree(memory);  // waits for what uses it
  }
  size_t allocations() const { return allocations_; }
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
  void copy(void* to, const void* from, size_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy GPU memory");
  }
  void download(void* to, const void* from, size_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "copy from the GPU");
  }
  // What is enqueued from now on waits for what `stream` holds now.
  void wait_for(void* stream) {
    check(cudaEventRecord(event_, static_cast<cudaStream_t>(stream)), "follow the picture's stream");
    check(cudaStreamWaitEvent(stream_, event_, 0), "wait for the picture's stream");
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
  cudaEvent_t event_ = nullptr;
  size_t allocations_ = 0;
};

}  // namespace trtmtcnn::cuda
