// One frame of a call and its successive halvings (mips).
#pragma once

#include <vector>

#include "cpu/resample.h"
#include "runtime/arena.h"
#include "runtime/thread_pool.h"
#include "types.h"

namespace trtmtcnn::cpu {

class Frame {
 public:
  // Views `image`, or holds a copy resized to `size` where that differs. Builds mips for kArea. What it holds is in
  // the arena.
  void load(const Image& image, Size size, Resize mode, ThreadPool& pool, Scratch& scratch, Arena& arena);
  void unload() { image_ = {}; }

  Size size() const { return {image_.height, image_.width}; }
  CropWindow window() const { return {0, 0, image_.width - 1, image_.height - 1}; }
  const Image& mip(int level) const { return level == 0 ? image_ : mips_[level - 1]; }
  int mips() const { return static_cast<int>(mips_.size()) + 1; }

 private:
  void build_mips(ThreadPool& pool, Arena& arena);

  Image image_;
  std::vector<Image> mips_;
};

// The mip from which a window is resized to `out`.
int mip_for(const Frame& frame, const SourceWindow& window, Size out, Resize mode);

// Sets the axes of a window resized to `out`, the horizontal one with a gain, and returns the mip that they are for.
const Image& set_axes(const Frame& frame, const SourceWindow& window, Size out, Resize mode, double gain, Axes& axes);

}  // namespace trtmtcnn::cpu
