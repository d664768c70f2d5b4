// How far a running build is, readable from another thread, and a way to cancel it.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace trtmtcnn::tensorrt {

class Progress {
 public:
  struct Phase {
    std::string name;
    int done;
    int steps;
  };

  void start(const char* name, int steps) {
    std::lock_guard lock(mutex_);
    phases_.push_back({name, 0, steps});
  }

  // False once the build is cancelled.
  bool step(const char* name, int step) {
    std::lock_guard lock(mutex_);
    for (Phase& phase : phases_)
      if (phase.name == name) phase.done = step + 1;
    return !cancelled();
  }

  void finish(const char* name) {
    std::lock_guard lock(mutex_);
    for (size_t i = phases_.size(); i-- > 0;) {
      if (phases_[i].name != name) continue;
      phases_.erase(phases_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }

  void cancel() { cancelled_.store(true); }
  bool cancelled() const { return cancelled_.load(); }

  // Outermost first.
  std::vector<Phase> phases() const {
    std::lock_guard lock(mutex_);
    return phases_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Phase> phases_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace trtmtcnn::tensorrt
