// The canvases of a call's levels, packed anew where the levels have changed.
#pragma once

#include <span>
#include <vector>

#include "engine.h"
#include "pack.h"

namespace trtmtcnn {

class CanvasPlan {
 public:
  // `widths`, `height`: the sizes that suit the device, used as far as P-Net's engine takes them.
  CanvasPlan(std::span<const int> widths, int height, const Engine& pnet);

  // Valid until the next call.
  const std::vector<Canvas>& canvases(std::span<const Level> levels);

 private:
  PackLimits limits_;
  std::vector<Size> sizes_;  // of the levels that canvases_ are for
  std::vector<Canvas> canvases_;
};

}  // namespace trtmtcnn
