// Packs all levels of all frames into as few canvases as P-Net needs to see.
#pragma once

#include <span>
#include <vector>

#include "networks.h"
#include "types.h"

namespace trtmtcnn {

// A rectangle of a level's cells and where its pixels stand in the canvas. Levels larger than a
// canvas are split; neighbours share the 10 pixels that valid convolutions need.
struct Tile {
  int level = 0;
  int cell_x = 0, cell_y = 0;  // first cell within the level
  int cells_x = 0, cells_y = 0;
  int canvas_x = 0, canvas_y = 0;  // even, so that cells do not straddle tiles
  constexpr int width() const { return grid_pixels(cells_x); }
  constexpr int height() const { return grid_pixels(cells_y); }
};

struct Canvas {
  Size size;
  std::vector<Tile> tiles;
};

// The canvas sizes to choose from.
struct PackLimits {
  std::vector<int> widths;
  int max_height;
};

// Canvas sizes come from a coarse set: runtimes prepare kernels for each size they meet.
std::vector<Canvas> pack(std::span<const Level> levels, const PackLimits& limits);

}  // namespace trtmtcnn
