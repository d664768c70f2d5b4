// The frames of a call, and what every operation on them needs: threads and their scratch memory.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "cpu/frame.h"
#include "runtime/arena.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cpu {

class FrameStore {
 public:
  explicit FrameStore(std::shared_ptr<ThreadPool> pool);

  void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode);
  void unload();

  const Frame& operator[](int i) const { return frames_[i]; }
  int count() const { return count_; }
  Resize mode() const { return mode_; }
  ThreadPool& pool() { return *pool_; }
  Scratch& scratch(int worker) { return scratch_[worker]; }

 private:
  std::shared_ptr<ThreadPool> pool_;
  std::vector<Scratch> scratch_;  // one a worker
  std::vector<Frame> frames_;
  Arena arena_;  // of frames_
  int count_ = 0;
  Resize mode_ = Resize::kArea;
};

}  // namespace trtmtcnn::cpu
