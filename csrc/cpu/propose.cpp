#include "cpu/propose.h"

#include "cpu/kernels.h"
#include "head_outputs.h"

namespace trtmtcnn::cpu {

void propose(const GridOutputs& grid, const Tile& tile, const Level& level, float threshold,
             std::vector<int32_t>& positions, std::vector<Box>& boxes) {
  const int64_t plane = int64_t{grid.height} * grid.width;
  const float* face = grid.prob + plane;
  positions.resize(tile.cells_x);
  for (int r = 0; r < tile.cells_y; ++r) {
    const int64_t row = int64_t{tile.canvas_y / kStride + r} * grid.width + tile.canvas_x / kStride;
    const int hits = kernels().at_least(face + row, tile.cells_x, threshold, positions.data());
    for (int h = 0; h < hits; ++h) {
      const int64_t at = row + positions[h];
      const int cell_x = tile.cell_x + positions[h], cell_y = tile.cell_y + r;
      const float moves[4] = {grid.regression[at], grid.regression[plane + at], grid.regression[2 * plane + at],
                              grid.regression[3 * plane + at]};
      if (!is_face(face[at], threshold, moves)) continue;
      boxes.push_back(cell_window(level, tile.level, cell_x, cell_y, face[at], moves));
    }
  }
}

}  // namespace trtmtcnn::cpu
