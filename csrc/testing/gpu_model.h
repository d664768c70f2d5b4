// A modelled GPU: its memory, what its streams were asked to do, and the calls that are to fail.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "testing/gpu_memory.h"

namespace trtmtcnn::testing {

class StreamModel;

// What a program asks of a GPU. Each is counted, and can be made to fail.
enum class Call {
  kAllocate,
  kAllocatePinned,
  kZero,
  kUpload,
  kUploadPageable,
  kCopy,
  kDownload,
  kKernel,
  kNetwork,
  kReshape,
  kWait,
  kCapture,
  kGraph,
  kContext,
  kLoad,
};
inline constexpr const char* kCallNames[] = {
    "allocate", "allocate pinned", "zero", "upload",  "upload pageable", "copy",    "download", "kernel",
    "network",  "reshape",         "wait", "capture", "graph",           "context", "load",
};
inline constexpr size_t kCalls = std::size(kCallNames);

class GpuModel : public std::enable_shared_from_this<GpuModel> {
 public:
  // `seed` chooses the order of threads and when a stream gets on by itself; `late_pageable`: whether sources in
  // pageable memory are read when the stream gets there, as CUDA may; else when they are enqueued.
  GpuModel(uint32_t seed, size_t memory_limit, bool late_pageable)
      : seed_(seed), late_pageable_(late_pageable), memory_(memory_limit) {}

  GpuMemory& memory() { return memory_; }
  bool late_pageable() const { return late_pageable_; }

  // Notes a call of `amount` bytes, threads or items. Throws DeviceError where it is to fail.
  void call(Call call, std::string_view what, size_t amount);
  int64_t count(Call call) const { return counts_[static_cast<size_t>(call)]; }

  // Of this kind, the calls after `after` others fail, `times` of them, and all that follow of any kind where
  // `for_good`.
  void fail(Call call, int64_t after, int64_t times, bool for_good);
  // No call fails from now on. Returns whether one of fail()'s did.
  bool mend();

  // Graphs that exist.
  std::atomic<int64_t>& live_graphs() { return live_graphs_; }

  // Something that CUDA forbids, or whose outcome it leaves open: the next wait reports it.
  void misuse(std::string what);
  std::vector<std::string> misuses() const;
  void check_misuse();  // throws DeviceError

  struct Traced {
    Call call;
    std::string what;
    size_t amount;
  };
  void start_trace();
  std::vector<Traced> take_trace();

  // Streams, by the handles that CUDA would know them by.
  std::shared_ptr<StreamModel> make_stream();
  std::shared_ptr<StreamModel> find_stream(const void* handle);

  // What a program must not do, in any thread, while a stream captures: spoils the captures. Throws DeviceError.
  void forbid_while_capturing(const char* what);

  std::recursive_mutex& running() { return running_; }  // one stream runs at a time

 private:
  uint32_t seed_;
  bool late_pageable_;
  GpuMemory memory_;
  std::array<std::atomic<int64_t>, kCalls> counts_{};
  mutable std::mutex mutex_;
  std::array<int64_t, kCalls> left_ = filled(-1);  // calls until one fails; -1: none will
  std::array<int64_t, kCalls> times_{};            // that calls fail then
  bool for_good_ = false, lost_ = false, failed_ = false;
  std::atomic<int64_t> live_graphs_ = 0;
  bool tracing_ = false;
  std::vector<Traced> trace_;
  std::vector<std::string> misuses_;
  std::map<const void*, std::weak_ptr<StreamModel>> streams_;
  uint32_t streams_made_ = 0;
  std::recursive_mutex running_;

  static std::array<int64_t, kCalls> filled(int64_t value) {
    std::array<int64_t, kCalls> all;
    all.fill(value);
    return all;
  }
};

}  // namespace trtmtcnn::testing
