#include "cpu/propose.h"

#include "cpu/kernels.h"

namespace trtmtcnn::cpu {

void propose(const Grid& grid, const Tile& tile, const Level& level, float threshold, std::vector<int32_t>& positions,
             std::vector<Box>& boxes) {
  const int64_t plane = int64_t{grid.height} * grid.width;
  const float* face = grid.prob + plane;
  const int level_width = grid_cells(level.size.width);
  positions.resize(tile.cells_x);
  for (int r = 0; r < tile.cells_y; ++r) {
    const int64_t row = int64_t{tile.canvas_y / kStride + r} * grid.width + tile.canvas_x / kStride;
    const int hits = kernels().at_least(face + row, tile.cells_x, threshold, positions.data());
    for (int h = 0; h < hits; ++h) {
      const int64_t at = row + positions[h];
      const int cell_x = tile.cell_x + positions[h], cell_y = tile.cell_y + r;
      Box box;
      box.x1 = static_cast<float>(kStride * cell_x / level.scale_x);
      box.y1 = static_cast<float>(kStride * cell_y / level.scale_y);
      box.x2 = static_cast<float>((kStride * cell_x + kCell - 1) / level.scale_x);
      box.y2 = static_cast<float>((kStride * cell_y + kCell - 1) / level.scale_y);
      box.score = face[at];
      for (int k = 0; k < 4; ++k)
        box.regression[k] =
            static_cast<float>(kCell * grid.regression[k * plane + at] / (k % 2 == 0 ? level.scale_x : level.scale_y));
      box.frame = level.frame;
      box.level = tile.level;
      box.order = cell_y * level_width + cell_x;
      boxes.push_back(box);
    }
  }
}

}  // namespace trtmtcnn::cpu
