// As much of CUDA's runtime as cuda/stream_runtime.h calls, for several GPUs that do nothing but watch: whether what
// belongs to one is used while another is the thread's, and what is left at the end.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <thread>
#include <vector>

#define __global__
#define CUDART_CB
#define CUDART_VERSION 13000

enum cudaError_t { cudaSuccess, cudaErrorInvalidValue, cudaErrorMemoryAllocation };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice, cudaMemoryTypeManaged };
enum cudaDeviceAttr { cudaDevAttrPageableMemoryAccess };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
enum { cudaStreamNonBlocking, cudaEventDisableTiming, cudaEventDefault };
using cudaStream_t = struct CUstream*;
using cudaEvent_t = struct CUevent*;
using cudaGraph_t = struct CUgraph*;
using cudaGraphExec_t = struct CUgraphExec*;
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
};
struct dim3 {
  unsigned x;
  dim3(unsigned n) : x(n) {}
};
inline struct {
  unsigned x;
} blockIdx, blockDim, threadIdx;

namespace trtmtcnn::cuda {
struct DeviceWarp {  // warp.h has it for nvcc alone
  explicit DeviceWarp(int) {}
};
}  // namespace trtmtcnn::cuda

namespace fake {

inline thread_local int current = 0;
inline std::map<const void*, int> owner;  // of what exists: the GPU, or kHost
inline int faults = 0, launches = 0, calls = 0;
inline unsigned blocks = 0;
inline bool capturing = false, events_fail = false;
inline uintptr_t next = 1 << 20;
inline std::vector<std::thread> host_functions;  // of all streams
inline std::atomic<int> host_functions_running = 0;
constexpr int kHost = -1;

inline cudaError_t fault(const char* what) {
  std::fprintf(stderr, "fault: %s\n", what);
  ++faults;
  return cudaErrorInvalidValue;
}

template <typename Pointer>
cudaError_t make(Pointer* made, int device = current) {
  ++calls;
  *made = reinterpret_cast<Pointer>(next);
  owner[*made] = device;
  next += 4096;
  return cudaSuccess;
}

inline cudaError_t use(const void* thing, const char* what) {
  ++calls;
  const auto found = owner.find(thing);
  if (found == owner.end()) return fault(what);
  return found->second == kHost || found->second == current ? cudaSuccess : fault(what);
}

inline cudaError_t destroy(const void* thing, const char* what) {
  const cudaError_t status = use(thing, what);
  owner.erase(thing);
  return status;
}

}  // namespace fake

inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "an error"; }
inline cudaError_t cudaGetDevice(int* device) { return ++fake::calls, *device = fake::current, cudaSuccess; }
inline cudaError_t cudaSetDevice(int device) { return ++fake::calls, fake::current = device, cudaSuccess; }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return fake::make(stream); }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return fake::events_fail ? cudaErrorMemoryAllocation : fake::make(event);
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  for (std::thread& function : fake::host_functions) function.join();
  fake::host_functions.clear();
  return fake::use(stream, "wait for a stream");
}
inline cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* argument) {
  ++fake::host_functions_running;
  fake::host_functions.emplace_back([=] {
    function(argument);
    --fake::host_functions_running;
  });
  return fake::use(stream, "call a function of the host");
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) { return fake::destroy(stream, "destroy a stream"); }
inline cudaError_t cudaEventDestroy(cudaEvent_t event) { return fake::destroy(event, "destroy an event"); }
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) { return fake::use(event, "record an event"); }
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  *ms = 0.25f;
  return fake::use(from, "read an event") == cudaSuccess ? fake::use(to, "read an event") : cudaErrorInvalidValue;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t, unsigned) {
  return fake::use(stream, "wait for an event");
}
inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  fake::capturing = true;
  return fake::use(stream, "capture");
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  fake::capturing = false;
  return fake::make(graph);
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t, unsigned) { return fake::make(made); }
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return fake::destroy(graph, "destroy a graph"); }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) { return fake::destroy(graph, "destroy a graph"); }
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) { return fake::use(graph, "launch a graph"); }
inline cudaError_t cudaMalloc(void** memory, size_t) { return fake::make(memory); }
inline cudaError_t cudaFree(void* memory) { return fake::destroy(memory, "free memory"); }
inline cudaError_t cudaMallocHost(void** memory, size_t) { return fake::make(memory); }
inline cudaError_t cudaFreeHost(void* memory) { return fake::destroy(memory, "free pinned memory"); }
inline cudaError_t cudaMemsetAsync(void* to, int, size_t bytes, cudaStream_t stream) {
  if (!to || bytes == 0) return fake::fault("clear nothing");
  return fake::use(stream, "clear memory");
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  if (!to || !from || bytes == 0) return fake::fault("copy nothing");
  return fake::use(stream, "copy");
}
inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory) {
  const auto found = fake::owner.find(memory);
  *attributes = {cudaMemoryTypeUnregistered, 0};
  if (found != fake::owner.end())
    *attributes = {found->second == fake::kHost ? cudaMemoryTypeHost : cudaMemoryTypeDevice, found->second};
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) { return *value = 0, cudaSuccess; }
inline cudaError_t cudaLaunchKernel(const void*, dim3 blocks, dim3, void**, size_t, cudaStream_t stream) {
  ++fake::launches;
  fake::blocks = blocks.x;
  return fake::use(stream, "launch a kernel");
}
