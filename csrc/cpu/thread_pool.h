// A small pool for loops of well under a millisecond. One loop runs on it at a time; a caller that
// finds it taken runs its loop alone, so that many detecting threads neither wait nor oversubscribe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "process.h"

namespace trtmtcnn::cpu {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // the caller counts as one
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  const Process& process() const { return process_; }

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end, worker) over pieces of [0, n) of about `grain` items; `worker` in
  // [0, threads()) tells whose scratch memory to use. The body must not throw.
  template <typename Body>
  void parallel_for(int n, int grain, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run(
        n, grain, [](void* b, int begin, int end, int worker) { (*static_cast<Plain*>(b))(begin, end, worker); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Function = void (*)(void* body, int begin, int end, int worker);
  void run(int n, int grain, Function function, void* body);
  void work(int worker);
  void take_pieces(int worker);

  Process process_;
  std::vector<std::thread> workers_;
  std::mutex taken_;  // held by the caller whose loop is running
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  bool stop_ = false;
  unsigned generation_ = 0;
  int active_ = 0;

  Function function_ = nullptr;
  void* body_ = nullptr;
  int n_ = 0, grain_ = 1;
  std::atomic<int> next_{0};
};

}  // namespace trtmtcnn::cpu
