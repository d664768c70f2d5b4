// Levels of the image pyramids, drawn into P-Net's canvases.
#pragma once

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
    const DeviceFrame& frame = frames[levels[t].frame];
    taps[i] = taps_of(frame, area, frame.window(), levels[t].size, i - starts[t]);
  }
};

// A tile, and which image of a batch of canvases it is in.
struct PlacedTile : Tile {
  int image = 0;
};

struct DrawTiles {
  const DeviceFrame* frames;
  const Level* levels;
  const Taps* taps;
  const int* tap_starts;  // of each level
  const PlacedTile* tiles;
  const int* starts;  // the first pixel of each tile, counting the pixels of all
  int tile_count;
  float* canvases;  // (images, 3, size.height, size.width)
  Size size;

  TRTMTCNN_HD void operator()(int i) const {
    const int t = segment_of(starts, tile_count, i);
    const PlacedTile& tile = tiles[t];
    const Level& level = levels[tile.level];
    const int y = (i - starts[t]) / tile.width(), x = (i - starts[t]) % tile.width();
    const Taps* rows = taps + tap_starts[tile.level];
    const Taps* columns = rows + level.size.height;
    float rgb[3];
    blend(frames[level.frame], rows[kStride * tile.cell_y + y], columns[kStride * tile.cell_x + x], rgb);
    const ptrdiff_t plane = static_cast<ptrdiff_t>(size.height) * size.width;
    float* out =
        canvases + 3 * plane * tile.image + static_cast<ptrdiff_t>(tile.canvas_y + y) * size.width + tile.canvas_x + x;
    for (int c = 0; c < 3; ++c) out[c * plane] = normalised(rgb[c]);
  }
};

}  // namespace trtmtcnn::cuda
