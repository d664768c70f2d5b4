#include "runtime/fork_guard.h"

#include <unistd.h>

#include "error.h"

namespace trtmtcnn {

ForkGuard::ForkGuard() : id_(getpid()) {}

bool ForkGuard::is_this() const { return getpid() == id_; }

void ForkGuard::check() const {
  if (!is_this())
    throw DeviceError(
        "this process was forked after a detector had been made, and the detector's threads do not live in it: make "
        "detectors only after forking, or start processes with multiprocessing's \"spawn\" or \"forkserver\"");
}

}  // namespace trtmtcnn
