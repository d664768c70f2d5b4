// Levels of the pyramid drawn into the canvas, and P-Net's outputs read from it.
#pragma once

#include "cuda/kernels/boxes.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/resample.h"
#include "pack.h"

namespace trtmtcnn::cuda {

// The taps of the rows and columns of each level.
struct LevelTaps {
  const DeviceFrame* frames;
  const Level* levels;
  const int* starts;  // of each level's taps
  int level_count;
  bool area;
  Taps* taps;

  TRTMTCNN_HD void operator()(int i) const {
    const int t = segment_of(starts, level_count, i);
    const Level& level = levels[t];
    const DeviceFrame& frame = frames[level.frame];
    taps[i] = taps_of(frame, area, 0, 0, frame.mips[0].height, frame.mips[0].width, level.size.height, level.size.width,
                      i - starts[t]);
  }
};

struct DrawTiles {
  const DeviceFrame* frames;
  const Level* levels;
  const Taps* taps;
  const int* tap_starts;  // of each level
  const Tile* tiles;
  const int* starts;  // the first pixel of each tile, counting the pixels of all
  int tile_count;
  float* canvas;  // (3, height, width)
  int height, width;

  TRTMTCNN_HD void operator()(int i) const {
    const int t = segment_of(starts, tile_count, i);
    const Tile& tile = tiles[t];
    const Level& level = levels[tile.level];
    const int tile_width = (tile.cells_x - 1) * kStride + kCell;
    const int y = (i - starts[t]) / tile_width, x = (i - starts[t]) % tile_width;
    const Taps* rows = taps + tap_starts[tile.level];
    const Taps* columns = rows + level.size.height;
    float rgb[3];
    blend(frames[level.frame], rows[kStride * tile.cell_y + y], columns[kStride * tile.cell_x + x], rgb);
    const ptrdiff_t plane = static_cast<ptrdiff_t>(height) * width;
    float* out = canvas + static_cast<ptrdiff_t>(tile.canvas_y + y) * width + tile.canvas_x + x;
    for (int c = 0; c < 3; ++c) out[c * plane] = normalised(rgb[c]);
  }
};

// One of the tiles' cells: a box where its score reaches the threshold.
struct Propose {
  const Level* levels;
  const Tile* tiles;
  const int* starts;  // the first cell of each tile, counting the cells of all
  int tile_count;
  const float* prob;        // (2, height, width)
  const float* regression;  // (4, height, width)
  int height, width;
  float threshold;
  BoxSet boxes;

  TRTMTCNN_HD void operator()(int i) const {
    const int t = segment_of(starts, tile_count, i);
    const Tile& tile = tiles[t];
    const int r = (i - starts[t]) / tile.cells_x, c = (i - starts[t]) % tile.cells_x;
    const ptrdiff_t plane = static_cast<ptrdiff_t>(height) * width;
    const ptrdiff_t at = static_cast<ptrdiff_t>(tile.canvas_y / kStride + r) * width + tile.canvas_x / kStride + c;
    const float score = prob[plane + at];
    if (!(score >= threshold)) return;
    const int slot = atomic_add(boxes.count, 1);
    if (slot >= boxes.capacity) return;  // seen by the host, which then makes room and starts again
    const Level& level = levels[tile.level];
    const int cell_x = tile.cell_x + c, cell_y = tile.cell_y + r;
    DeviceBox box{};
    box.x1 = static_cast<float>(kStride * cell_x / level.scale_x);
    box.y1 = static_cast<float>(kStride * cell_y / level.scale_y);
    box.x2 = static_cast<float>((kStride * cell_x + kCell - 1) / level.scale_x);
    box.y2 = static_cast<float>((kStride * cell_y + kCell - 1) / level.scale_y);
    box.score = score;
    for (int k = 0; k < 4; ++k)
      box.regression[k] =
          static_cast<float>(kCell * regression[k * plane + at] / (k % 2 == 0 ? level.scale_x : level.scale_y));
    box.frame = level.frame;
    box.level = tile.level;
    box.order = cell_y * grid_cells(level.size.width) + cell_x;
    boxes.data[slot] = box;
  }
};

}  // namespace trtmtcnn::cuda
