#include "cpu/thread_pool.h"

#include <algorithm>

namespace trtmtcnn::cpu {

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  if (!process_.is_this()) {  // there are no threads to join
    for (std::thread& worker : workers_) worker.detach();
    return;
  }
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int n, int grain, Function function, void* body) {
  if (n <= 0) return;
  grain = std::max(grain, 1);
  std::unique_lock taken(taken_, std::defer_lock);
  if (workers_.empty() || n <= grain || !taken.try_lock()) {
    function(body, 0, n, 0);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    function_ = function;
    body_ = body;
    n_ = n;
    grain_ = grain;
    next_.store(0, std::memory_order_relaxed);
    active_ = static_cast<int>(workers_.size());
    ++generation_;
  }
  wake_.notify_all();
  take_pieces(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return active_ == 0; });
}

void ThreadPool::take_pieces(int worker) {
  for (;;) {
    const int begin = next_.fetch_add(grain_, std::memory_order_relaxed);
    if (begin >= n_) return;
    function_(body_, begin, std::min(begin + grain_, n_), worker);
  }
}

void ThreadPool::work(int worker) {
  unsigned seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    take_pieces(worker);
    {
      std::lock_guard lock(mutex_);
      if (--active_ == 0) done_.notify_one();
    }
  }
}

}  // namespace trtmtcnn::cpu
