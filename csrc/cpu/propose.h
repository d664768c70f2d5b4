// P-Net's outputs to windows of the frame.
#pragma once

#include <cstdint>
#include <vector>

#include "box.h"
#include "outputs.h"
#include "pack.h"

namespace trtmtcnn::cpu {

// Appends a box for each of the tile's cells whose score is at least `threshold`, see cell_window(). `positions` is
// scratch memory.
void propose(const GridOutputs& grid, const Tile& tile, const Level& level, float threshold,
             std::vector<int32_t>& positions, std::vector<Box>& boxes);

}  // namespace trtmtcnn::cpu
