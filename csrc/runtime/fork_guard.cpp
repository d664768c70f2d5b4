#include "runtime/fork_guard.h"

#ifndef _WIN32
#include <pthread.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "error.h"

namespace trtmtcnn {
namespace {

// Counted where a process begins, as to ask for its number is a system call, which every loop and CUDA call would make.
std::atomic<int> forks = 0;

std::atomic<bool> skips_handlers = false;

#ifndef _WIN32
void begin_child() {
  ++forks;
#ifdef __GLIBC__
  // Handlers run from the last that was registered to the first.
  if (skips_handlers)
    on_exit(
        [](int status, void*) {
          std::fflush(nullptr);
          _exit(status);
        },
        nullptr);
#endif
}

[[maybe_unused]] const int watched = pthread_atfork(nullptr, nullptr, begin_child);
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

void skip_parents_exit_handlers() { skips_handlers = true; }

}  // namespace trtmtcnn
