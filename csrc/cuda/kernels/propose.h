// P-Net's outputs to windows of the frame.
#pragma once

#include "cuda/kernels/box_set.h"
#include "head_outputs.h"
#include "pack.h"

namespace trtmtcnn::cuda {

// One cell of a canvas's tiles: adds its window where its score reaches the threshold.
struct Propose {
  const Level* levels;
  const Tile* tiles;
  const int* starts;  // the first cell of each tile, counting the cells of all
  int tile_count;
  GridOutputs grid;
  float threshold;
  DeviceBoxes boxes;

  TRTMTCNN_HD void operator()(int i) const {
    const int t = segment_of(starts, tile_count, i);
    const Tile& tile = tiles[t];
    const int r = (i - starts[t]) / tile.cells_x, c = (i - starts[t]) % tile.cells_x;
    const ptrdiff_t plane = static_cast<ptrdiff_t>(grid.height) * grid.width;
    const ptrdiff_t at = static_cast<ptrdiff_t>(tile.canvas_y / kStride + r) * grid.width + tile.canvas_x / kStride + c;
    const float score = grid.prob[plane + at];
    if (!(score >= threshold)) return;
    float regression[4];
    for (int k = 0; k < 4; ++k) regression[k] = grid.regression[k * plane + at];
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
