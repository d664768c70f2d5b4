#include "cpu/pyramid.h"

#include <algorithm>

#include "networks.h"

namespace trtmtcnn::cpu {

void Pyramid::set(std::span<const Level> levels, const FrameStore& frames) {
  bool same = frames.mode() == mode_ && axes_.size() == levels.size() &&
              frame_sizes_.size() == static_cast<size_t>(frames.count()) &&
              std::equal(levels.begin(), levels.end(), levels_.begin(), levels_.end(),
                         [](const Level& a, const Level& b) { return a.size == b.size && a.frame == b.frame; });
  for (int f = 0; same && f < frames.count(); ++f) same = frames[f].size() == frame_sizes_[f];
  levels_.assign(levels.begin(), levels.end());
  if (same) return;
  mode_ = frames.mode();
  frame_sizes_.clear();
  for (int f = 0; f < frames.count(); ++f) frame_sizes_.push_back(frames[f].size());
  axes_.clear();  // should there be no memory for them
  std::vector<Axes> axes(levels_.size());
  for (size_t l = 0; l < levels_.size(); ++l) {
    const Frame& frame = frames[levels_[l].frame];
    set_axes(frame, frame.window(), levels_[l].size, mode_, kPixelScale, axes[l]);
  }
  axes_.swap(axes);
}

const Image& Pyramid::source(int level, const FrameStore& frames) const {
  const Frame& frame = frames[levels_[level].frame];
  return frame.mip(mip_for(frame, frame.window(), levels_[level].size, mode_));
}

}  // namespace trtmtcnn::cpu
