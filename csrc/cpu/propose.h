// P-Net's outputs to windows of the frame.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/boxes.h"
#include "pack.h"

namespace trtmtcnn::cpu {

// P-Net's outputs for one canvas.
struct Grid {
  const float* prob;        // (2, height, width): not face, face
  const float* regression;  // (4, height, width): dx1, dy1, dx2, dy2 in units of the cell
  int height, width;
};

// The window of a cell, its regression pending: dx1, dy1, dx2, dy2 in units of the cell.
Box cell_window(const Level& level, int level_index, int cell_x, int cell_y, float score, const float (&regression)[4]);

// Appends a box for each of the tile's cells whose score is at least `threshold`: its window in the frame,
// with the regression pending. `positions` is scratch memory.
void propose(const Grid& grid, const Tile& tile, const Level& level, float threshold, std::vector<int32_t>& positions,
             std::vector<Box>& boxes);

}  // namespace trtmtcnn::cpu
