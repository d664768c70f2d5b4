// The levels of a call's image pyramids, with the resampling weights of each.
#pragma once

#include <span>
#include <vector>

#include "cpu/frame_store.h"
#include "types.h"

namespace trtmtcnn::cpu {

class Pyramid {
 public:
  // Keeps the weights where the sizes of frames and levels are those of the call before.
  void set(std::span<const Level> levels, const FrameStore& frames);

  const std::vector<Level>& levels() const { return levels_; }
  const Axes& axes(int level) const { return axes_[level]; }
  // The mip of its frame that the level is resized from.
  const Image& source(int level, const FrameStore& frames) const;

 private:
  std::vector<Level> levels_;
  std::vector<Axes> axes_;  // of levels_, for mode_ and frame_sizes_
  std::vector<Size> frame_sizes_;
  Resize mode_ = Resize::kArea;
};

}  // namespace trtmtcnn::cpu
