#include "runtime/capture_lock.h"

#include <shared_mutex>

namespace trtmtcnn {
namespace {

// One for the process: several detectors and devices may be in it. Never destroyed, as engines may outlive it.
std::shared_mutex& mutex() {
  static auto* const shared = new std::shared_mutex;
  return *shared;
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
