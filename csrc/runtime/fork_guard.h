// Threads do not survive fork(), nor does what CUDA knows: what has some refuses to work in a child of the process that
// made it.
#pragma once

namespace trtmtcnn {

class ForkGuard {
 public:
  ForkGuard();
  bool is_this() const;
  void check() const;  // throws DeviceError in another process

 private:
  int id_;  // of the process: how many forks lie before it
};

// Called before a library with threads and locks of its own is loaded. What such a library does when a process ends
// (TBB's allocator, say) waits for locks, and a fork may have left one held by a thread that the child does not have.
// So a child ends after what it registered itself, with its output written and its status, but without what its
// parent's libraries registered. Where there is no on_exit (all but glibc), children end as always.
void skip_parents_exit_handlers();

}  // namespace trtmtcnn
