#include "runtime/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "error.h"
#include "runtime/fork_guard.h"

namespace trtmtcnn {

// The threads of one process.
class ThreadPool::Workers {
 public:
  explicit Workers(int threads) {
    threads_.reserve(threads - 1);
    try {
      for (int i = 1; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
    } catch (const std::system_error& error) {
      const size_t started = threads_.size();
      end();
      throw DeviceError("cannot start " + std::to_string(threads - 1) + " threads, only " + std::to_string(started) +
                        " (" + error.code().message() +
                        "): give fewer (threads=1 starts none), or raise the limit on processes or memory (ulimit -u, "
                        "ulimit -v, a container's pids limit)");
    } catch (...) {  // out of memory
      end();
      throw;
    }
  }

  ~Workers() { end(); }

  bool is_here() const { return fork_guard_.is_this(); }

  // False where another caller's loop is running.
  bool run(int n, int grain, Function function, void* body) {
    std::unique_lock taken(taken_, std::defer_lock);
    if (!taken.try_lock()) return false;
    {
      std::lock_guard lock(mutex_);
      function_ = function;
      body_ = body;
      n_ = n;
      grain_ = grain;
      next_.store(0, std::memory_order_relaxed);
      open_ = true;
      generation_.fetch_add(1, std::memory_order_release);
      if (asleep_ > 0) wake_.notify_all();
    }
    take_pieces(0);
    {
      std::lock_guard lock(mutex_);
      open_ = false;  // who has not woken by now need not be waited for
    }
    const auto done = [this] { return active_.load(std::memory_order_acquire) == 0; };
    if (!spin(done)) {
      std::unique_lock lock(mutex_);
      done_.wait(lock, done);
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return true;
  }

 private:
  void end() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void take_pieces(int worker) {
    for (;;) {
      const int begin = next_.fetch_add(grain_, std::memory_order_relaxed);
      if (begin >= n_) return;
      try {
        function_(body_, begin, std::min(begin + grain_, n_), worker);
      } catch (...) {  // out of memory: for the caller to hear, not for this thread to die of
        std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
    }
  }

  void work(int worker) {
    unsigned seen = 0;
    const auto called = [&] { return stop_ || generation_.load(std::memory_order_acquire) != seen; };
    for (;;) {
      spin(called);
      {
        std::unique_lock lock(mutex_);
        ++asleep_;
        wake_.wait(lock, called);
        --asleep_;
        if (stop_) return;
        seen = generation_.load(std::memory_order_relaxed);
        if (!open_) continue;
        active_.fetch_add(1, std::memory_order_relaxed);
      }
      take_pieces(worker);
      std::lock_guard lock(mutex_);
      if (active_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_.notify_one();
    }
  }

  // The loops of a detection follow each other in less time than a thread, or a virtual machine's core, takes to wake.
  template <typename Condition>
  static bool spin(const Condition& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(200);
    do {
      for (int i = 0; i < 64; ++i) {
        if (condition()) return true;
#ifdef TRTMTCNN_X86
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
      }
    } while (std::chrono::steady_clock::now() < end);
    return condition();
  }

  ForkGuard fork_guard_;
  std::vector<std::thread> threads_;
  std::mutex taken_;  // held by the caller whose loop is running
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<bool> stop_ = false;
  std::atomic<unsigned> generation_ = 0;
  bool open_ = false;            // the loop takes more workers
  std::atomic<int> active_ = 0;  // workers at it
  int asleep_ = 0;
  std::exception_ptr error_;

  Function function_ = nullptr;
  void* body_ = nullptr;
  int n_ = 0, grain_ = 1;
  std::atomic<int> next_{0};
};

ThreadPool::ThreadPool(int threads) : threads_(threads), workers_(new Workers(threads)) {}

ThreadPool::~ThreadPool() {
  Workers* workers = workers_.load();
  if (workers->is_here()) delete workers;  // else there are no threads to join
}

// Threads do not survive fork(): a child process gets its own. What the parent's left locked is not touched again.
ThreadPool::Workers& ThreadPool::workers() {
  Workers* workers = workers_.load();
  while (!workers->is_here()) {
    auto made = std::make_unique<Workers>(threads_);
    if (workers_.compare_exchange_strong(workers, made.get())) return *made.release();
  }
  return *workers;
}

void ThreadPool::run(int n, int grain, Function function, void* body) {
  if (n <= 0) return;
  grain = std::max(grain, 1);
  if (threads_ == 1 || n <= grain || !workers().run(n, grain, function, body)) function(body, 0, n, 0);
}

}  // namespace trtmtcnn
