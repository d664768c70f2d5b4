#include "runtime/fork_guard.h"

#ifndef _WIN32
#include <pthread.h>
#endif

#include <atomic>

#include "error.h"

namespace trtmtcnn {
namespace {

// Counted where a process begins, as to ask for its number is a system call, which every loop and CUDA call would make.
std::atomic<int> forks = 0;

#ifndef _WIN32
[[maybe_unused]] const int watched = pthread_atfork(nullptr, nullptr, [] { ++forks; });
#endif

}  // namespace

ForkGuard::ForkGuard() : id_(forks) {}

bool ForkGuard::is_this() const { return forks == id_; }

void ForkGuard::check() const {
  if (!is_this())
    throw DeviceError(
        "this process was forked after a detector had been made, and the detector's threads do not live in it: make "
        "detectors only after forking, or start processes with multiprocessing's \"spawn\" or \"forkserver\"");
}

}  // namespace trtmtcnn
