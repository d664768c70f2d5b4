// The GPU backend's memory and launches on one GPU, in a stream of its own.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>

#include "cuda/device_functions.h"
#include "cuda/launch_trace.h"
#include "cuda/stream_counters.h"
#include "cuda/stream_timer.h"
#include "cuda/warp.h"
#include "error.h"
#include "runtime/environment.h"
#include "runtime/fork_guard.h"
#include "runtime/function_ref.h"
#include "types.h"

namespace trtmtcnn::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // so that it is not reported again later
  throw DeviceError(std::string("CUDA cannot ") + what + ": " + cudaGetErrorString(status));
}

// CUDA works in no child of the process that first used it, and what it is asked to destroy there may hang.
inline const ForkGuard& process_of_cuda() {
  static const ForkGuard first;
  return first;
}

// Makes a GPU the calling thread's for as long as it lives. The thread is the caller's, who may have chosen another.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    process_of_cuda().check();
    check(cudaGetDevice(&before_), "tell which GPU is used");
    if (before_ == device) return;
    check(cudaSetDevice(device), "use the GPU");
    changed_ = true;
  }
  ~CurrentDevice() {
    if (changed_) cudaSetDevice(before_);
  }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

// In destructors, which cannot throw: what cannot be done there, the end of the process does.
template <typename Work>
void on_device(int device, Work&& work) noexcept {
  if (!process_of_cuda().is_this()) return;
  int before = device;
  cudaGetDevice(&before);
  if (before != device && cudaSetDevice(device) != cudaSuccess) return;
  work();
  if (before != device) cudaSetDevice(before);
  static_cast<void>(cudaGetLastError());
}

template <typename Kernel>
__global__ void run_kernel(int64_t n, Kernel kernel) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) kernel(static_cast<index_of<Kernel>>(i));
}

inline constexpr int kBlock = 128;  // threads

// The warps of a block have nothing to do with one another.
template <typename Kernel>
__global__ void run_warp_kernel(int n, Kernel kernel) {
  const int warp = static_cast<int>(blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp);
  if (warp < n) kernel(DeviceWarp(static_cast<int>(threadIdx.x) % kWarp), warp);
}

class StreamRuntime : public StreamCounters {
 public:
  explicit StreamRuntime(int device) : device_(device) {
    const Current current(*this);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    const cudaError_t status = cudaEventCreateWithFlags(&event_, cudaEventDisableTiming);
    if (status != cudaSuccess) cudaStreamDestroy(stream_);
    check(status, "make an event");
  }
  ~StreamRuntime() {
    on_device(device_, [this] {
      timer_.open();
      cudaStreamSynchronize(stream_);
      timer_.destroy_events();
      cudaEventDestroy(event_);
      cudaStreamDestroy(stream_);
    });
  }
  StreamRuntime(const StreamRuntime&) = delete;
  StreamRuntime& operator=(const StreamRuntime&) = delete;

  // What a stream was given, to be given to it again at once.
  class Graph {
   public:
    Graph() = default;
    Graph(cudaGraphExec_t graph, int device) : graph_(graph), device_(device) {}
    ~Graph() {
      if (graph_) on_device(device_, [this] { cudaGraphExecDestroy(graph_); });
    }
    Graph(Graph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)), device_(other.device_) {}
    Graph& operator=(Graph&& other) noexcept {
      std::swap(graph_, other.graph_);
      std::swap(device_, other.device_);
      return *this;
    }
    explicit operator bool() const { return graph_ != nullptr; }
    cudaGraphExec_t get() const { return graph_; }

   private:
    cudaGraphExec_t graph_ = nullptr;
    int device_ = 0;
  };

  // Makes the GPU the calling thread's. Every function here does so for itself; who calls several saves time by it.
  class Current : CurrentDevice {
   public:
    explicit Current(const StreamRuntime& runtime) : CurrentDevice(runtime.device_) {}
  };

  bool can_capture() const {
    static const bool wanted = environment::cuda_graphs();
    return wanted && !LaunchTrace::is_on();  // which would see nothing of what a graph holds
  }

  Graph capture(FunctionRef work) {
    const Current current(*this);
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
    return Graph(executable, device_);
  }

  void launch(const Graph& graph) {
    const Current current(*this);
    enqueued();
    check(cudaGraphLaunch(graph.get(), stream_), "start captured work");
  }

  void* allocate(size_t bytes) {
    const Current current(*this);
    timer_.open();
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "allocate GPU memory");
    memory_changed();
    return memory;
  }
  void free(void* memory) {
    timer_.open();
    on_device(device_, [&] { cudaFree(memory); });  // waits for what uses it
    memory_changed();
  }
  void* allocate_pinned(size_t bytes) {
    const Current current(*this);
    timer_.open();
    void* memory = nullptr;
    check(cudaMallocHost(&memory, bytes), "allocate pinned memory");
    memory_changed();
    return memory;
  }
  void free_pinned(void* memory) {
    timer_.open();
    on_device(device_, [&] {
      cudaStreamSynchronize(stream_);
      cudaFreeHost(memory);
    });
    memory_changed();
  }

  // Nothing is done for no bytes, of which CUDA takes no null addresses and captures no node.
  void zero(void* to, size_t bytes) {
    if (bytes == 0) return;
    const Current current(*this);
    enqueued();
    timer_.time(stream_, "zero", no_name, static_cast<int64_t>(bytes), true,
                [&] { check(cudaMemsetAsync(to, 0, bytes, stream_), "clear GPU memory"); });
  }
  void upload(void* to, const void* from, size_t bytes) {
    transfer(to, from, bytes, cudaMemcpyHostToDevice, "upload", "copy to the GPU");
  }
  void copy(void* to, const void* from, size_t bytes) {
    transfer(to, from, bytes, cudaMemcpyDeviceToDevice, "copy", "copy GPU memory");
  }
  void download(void* to, const void* from, size_t bytes) {
    transfer(to, from, bytes, cudaMemcpyDeviceToHost, "download", "copy from the GPU");
  }

  // Throws std::invalid_argument where a picture's memory is not this GPU's.
  void check_place(const Image& image) {
    const Current current(*this);
    cudaPointerAttributes attributes{};
    check(cudaPointerGetAttributes(&attributes, image.data), "tell where the picture is");
    if (attributes.type == cudaMemoryTypeManaged || attributes.type == cudaMemoryTypeHost) return;
    if (attributes.type == cudaMemoryTypeDevice) {
      if (attributes.device != device_)
        throw std::invalid_argument("img is in the memory of GPU " + std::to_string(attributes.device) +
                                    ", this detector is on GPU " + std::to_string(device_));
      return;
    }
    int reads_all = 0;  // as a GPU does that shares the host's page tables
    check(cudaDeviceGetAttribute(&reads_all, cudaDevAttrPageableMemoryAccess, device_), "describe the GPU");
    if (!reads_all)
      throw std::invalid_argument(
          "img is said to be in a GPU's memory, but its address is none of CUDA's: pass a NumPy array");
  }
  // What is enqueued from now on waits for what `stream` holds now.
  void wait_for(void* stream) {
    const Current current(*this);
    enqueued();
    timer_.open();
    check(cudaEventRecord(event_, static_cast<cudaStream_t>(stream)), "follow the picture's stream");
    check(cudaStreamWaitEvent(stream_, event_, 0), "wait for the picture's stream");
  }
  void synchronize() {
    const Current current(*this);
    timer_.open();
    check(cudaStreamSynchronize(stream_), "finish its work");
    timer_.waited();
    passed();
  }
  void* stream() { return stream_; }

  template <typename Kernel>
  void for_each(int64_t n, const Kernel& kernel) {
    if (n <= 0) return;
    constexpr int64_t kMost = std::numeric_limits<index_of<Kernel>>::max();
    constexpr int64_t kMostBlocks = std::numeric_limits<int>::max();
    const int64_t blocks = (n + kBlock - 1) / kBlock;
    if (n > kMost || blocks > kMostBlocks) throw std::bad_alloc();  // what they work on is TiB
    void* arguments[] = {&n, const_cast<Kernel*>(&kernel)};
    start<Kernel>(reinterpret_cast<const void*>(&run_kernel<Kernel>), n, blocks, kBlock, arguments);
  }

  // A warp for each index.
  template <typename Kernel>
  void for_each_warp(int n, const Kernel& kernel) {
    if (n <= 0) return;
    constexpr int kWarps = kBlock / kWarp;
    void* arguments[] = {&n, const_cast<Kernel*>(&kernel)};
    start<Kernel>(reinterpret_cast<const void*>(&run_warp_kernel<Kernel>), n, (int64_t{n} + kWarps - 1) / kWarps,
                  kBlock, arguments);
  }

 private:
  // n: what the kernel is called for.
  template <typename Kernel>
  void start(const void* kernel, int64_t n, int64_t blocks, int64_t threads, void** arguments) {
    const Current current(*this);
    enqueued();
    const auto name = [] { return kernel_name(typeid(Kernel)); };
    timer_.time(stream_, "kernel", name, n, true, [&] {
      check(cudaLaunchKernel(kernel, static_cast<unsigned>(blocks), static_cast<unsigned>(threads), arguments, 0,
                             stream_),
            "start a kernel");
    });
  }

  void transfer(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, const char* name, const char* what) {
    if (bytes == 0) return;
    const Current current(*this);
    enqueued();
    const bool on_device = kind == cudaMemcpyDeviceToDevice;  // else the host's memory may be pageable
    timer_.time(stream_, name, no_name, static_cast<int64_t>(bytes), on_device,
                [&] { check(cudaMemcpyAsync(to, from, bytes, kind, stream_), what); });
  }

  static std::string no_name() { return {}; }

  int device_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t event_ = nullptr;
  StreamTimer timer_;
};

}  // namespace trtmtcnn::cuda
