// A small pool for loops of well under a millisecond. One loop runs on it at a time; a caller that
// finds it taken runs its loop alone, so that many detecting threads neither wait nor oversubscribe.
#pragma once

#include <atomic>
#include <type_traits>

namespace trtmtcnn {

class ThreadPool {
 public:
  // The caller counts as one. Throws DeviceError where the system starts no more threads; parallel_for(), too, in the
  // first call after a fork.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls body(begin, end, worker) over pieces of [0, n) of about `grain` items; `worker` in
  // [0, threads()) tells whose scratch memory to use. What the body throws is thrown here once all have ended.
  template <typename Body>
  void parallel_for(int n, int grain, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run(
        n, grain, [](void* b, int begin, int end, int worker) { (*static_cast<Plain*>(b))(begin, end, worker); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  class Workers;
  using Function = void (*)(void* body, int begin, int end, int worker);
  void run(int n, int grain, Function function, void* body);
  Workers& workers();

  int threads_;
  std::atomic<Workers*> workers_;
};

}  // namespace trtmtcnn
