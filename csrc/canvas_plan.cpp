#include "canvas_plan.h"

#include <algorithm>

namespace trtmtcnn {

CanvasPlan::CanvasPlan(std::span<const int> widths, int height, const Engine& pnet)
    : limits_{{widths.begin(), widths.end()}, height} {
  const Shape largest = pnet.largest_input();
  std::erase_if(limits_.widths, [&](int width) { return width > largest[3]; });
  if (limits_.widths.empty()) limits_.widths.push_back(static_cast<int>(largest[3]));
  limits_.max_height = static_cast<int>(std::min<int64_t>(limits_.max_height, largest[2]));
}

const std::vector<Canvas>& CanvasPlan::canvases(std::span<const Level> levels) {
  if (!std::equal(levels.begin(), levels.end(), sizes_.begin(), sizes_.end(),
                  [](const Level& level, Size size) { return level.size == size; })) {
    canvases_ = pack(levels, limits_);
    sizes_.clear();
    for (const Level& level : levels) sizes_.push_back(level.size);
  }
  return canvases_;
}

}  // namespace trtmtcnn
