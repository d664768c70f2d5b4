#include "runtime/capture_lock.h"

#include <atomic>
#include <memory>
#include <shared_mutex>

#include "runtime/fork_guard.h"

namespace trtmtcnn {
namespace {

struct Lock {
  std::shared_mutex mutex;
  ForkGuard fork_guard;
};

// One for the process: several detectors and devices may be in it. Never destroyed, as engines may outlive it. A child
// process gets its own, as a thread of the parent's may have been capturing when it was forked.
std::shared_mutex& mutex() {
  static std::atomic<Lock*> shared = new Lock;
  Lock* lock = shared.load();
  while (!lock->fork_guard.is_this()) {
    auto made = std::make_unique<Lock>();
    if (shared.compare_exchange_strong(lock, made.get())) return made.release()->mutex;
  }
  return lock->mutex;
}

thread_local int held_by_thread = 0;  // locks, of which the first alone takes the mutex

}  // namespace

NoCapture::NoCapture() {
  if (held_by_thread++ == 0) mutex().lock_shared();
}

NoCapture::~NoCapture() {
  if (--held_by_thread == 0) mutex().unlock_shared();
}

CaptureLock::CaptureLock() : held_(held_by_thread == 0 && mutex().try_lock()) { held_by_thread += held_; }

CaptureLock::~CaptureLock() {
  if (!held_) return;
  --held_by_thread;
  mutex().unlock();
}

}  // namespace trtmtcnn
