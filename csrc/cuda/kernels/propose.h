// P-Net's outputs to windows of the frame.
#pragma once

#include "cuda/kernels/box_set.h"
#include "cuda/kernels/pyramid.h"
#include "head_outputs.h"

namespace trtmtcnn::cuda {

// One cell of the tiles of a batch of canvases: adds its window where its score reaches the threshold.
struct Propose {
  const Level* levels;
  const PlacedTile* tiles;
  const int* starts;  // the first cell of each tile, counting the cells of all
  int tile_count;
  GridOutputs grid;
  float threshold;
  DeviceBoxes boxes;

  TRTMTCNN_HD void operator()(int i) const {
    const int t = segment_of(starts, tile_count, i);
    const PlacedTile& tile = tiles[t];
    const int r = (i - starts[t]) / tile.cells_x, c = (i - starts[t]) % tile.cells_x;
    const ptrdiff_t plane = static_cast<ptrdiff_t>(grid.height) * grid.width;
    const ptrdiff_t at = static_cast<ptrdiff_t>(tile.canvas_y / kStride + r) * grid.width + tile.canvas_x / kStride + c;
    const float* regressions = grid.regression + 4 * plane * tile.image + at;
    const float score = grid.prob[(2 * tile.image + 1) * plane + at];
    if (!(score >= threshold)) return;
    float regression[4];
    for (int k = 0; k < 4; ++k) regression[k] = regressions[k * plane];
    if (!is_face(score, threshold, regression)) return;
    const int slot = atomic_add(boxes.count, 1);
    if (slot >= boxes.capacity) return;  // seen by the host, which then makes room and starts again
    DeviceBox box{};
    static_cast<Box&>(box) =
        cell_window(levels[tile.level], tile.level, tile.cell_x + c, tile.cell_y + r, score, regression);
    boxes.data[slot] = box;
  }
};

}  // namespace trtmtcnn::cuda
