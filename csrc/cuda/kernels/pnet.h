// P-Net's layers over all levels of all frames at once, straight from the frames: no canvases.
#pragma once

#include "cuda/kernels/box_set.h"
#include "cuda/kernels/convolve.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/net_input.h"
#include "cuda/kernels/resample.h"
#include "head_outputs.h"

namespace trtmtcnn::cuda {

// Rows of a level's cells: all of them, unless the level is too large for the memory that is used at once.
struct PnetTile {
  int level;
  int first_row;
  int height, width;  // pixels that these cells read
  int map_start;      // the first pixel of its second layer's map, counting the pixels of all tiles

  // An odd last row or column of the first layer's map has a pooling window of its own.
  TRTMTCNN_HD int pooled_height() const { return (height - 1) / 2; }
  TRTMTCNN_HD int pooled_width() const { return (width - 1) / 2; }
  TRTMTCNN_HD int map_height() const { return pooled_height() - 2; }
  TRTMTCNN_HD int map_width() const { return pooled_width() - 2; }
  TRTMTCNN_HD int cell_rows() const { return pooled_height() - 4; }
  TRTMTCNN_HD int cell_columns() const { return pooled_width() - 4; }
};

// How the layers are shared out among threads.
inline constexpr int kPnetMapRows = 4, kPnetMapOutputs = 8, kPnetMapParts = 2;  // of the second layer
inline constexpr int kPnetCellRows = 2;                                         // of the third
inline constexpr int kPnetPooled = 12, kPnetMap = 16, kPnetFeatures = 32;  // channels; of the first, 10 and padding

// The tiles that are worked on at once. The arrays are the device's; starts: what comes before each tile. In float16
// blocks are single pixels and cells.
struct PnetTiles {
  const PnetTile* tiles;
  const int *pixel_starts, *pooled_starts, *map_starts, *cell_starts;  // of pixels, pooled pixels and blocks
  int count;
  int pixels, pooled, map_pixels, map_blocks, cell_blocks;  // in all
};

// One pixel of a level: R, G, B and what is not read.
struct PnetPixels {
  PnetTiles tiles;
  const DeviceFrame* frames;
  const Level* levels;
  const Taps* taps;
  const int* tap_starts;  // of each level
  NetInput out;

  TRTMTCNN_HD void operator()(int i) const {
    const int t = segment_of(tiles.pixel_starts, tiles.count, i), local = i - tiles.pixel_starts[t];
    const PnetTile& tile = tiles.tiles[t];
    const Level& level = levels[tile.level];
    const int y = kStride * tile.first_row + local / tile.width, x = local % tile.width;
    const Taps* rows = taps + tap_starts[tile.level];
    float rgb[3];
    blend(frames[level.frame], rows[y], rows[level.size.height + x], rgb);
    out.write(0, 0, i, rgb);
  }
};

// The first layer: 3x3 to 10 channels, and the maximum of two by two of its pixels.
struct PnetConv1 {
  PnetTiles tiles;
  const float* pixels;
  LayerWeights weights;
  float* pooled;

  TRTMTCNN_HD void operator()(int i) const {
    constexpr int kOutputs = 10;
    const int t = segment_of(tiles.pooled_starts, tiles.count, i), local = i - tiles.pooled_starts[t];
    const PnetTile& tile = tiles.tiles[t];
    const int columns = tile.pooled_width(), y = local / columns, x = local % columns;
    const float* from = pixels + 4 * (ptrdiff_t{tiles.pixel_starts[t]} + ptrdiff_t{2} * y * tile.width + 2 * x);
    const MapBlock block{from, 0, 4 * tile.width, tile.height - 1 - 2 * y, tile.width - 1 - 2 * x};
    auto sums = convolve<3, 3, 2, 2, kOutputs>(block, weights, 0, kPnetPooled);
    const bool has_row = 2 * y + 1 < tile.height - 2, has_column = 2 * x + 1 < tile.width - 2;
    TRTMTCNN_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
      float& most = sums.at[0][0][o];
      if (has_column) most = max(most, sums.at[0][1][o]);
      if (has_row) most = max(most, sums.at[1][0][o]);
      if (has_row && has_column) most = max(most, sums.at[1][1][o]);
    }
    const ptrdiff_t group = ptrdiff_t{4} * columns * tile.pooled_height();
    float* to = pooled + ptrdiff_t{kPnetPooled} * tiles.pooled_starts[t] + ptrdiff_t{4} * local;
    TRTMTCNN_UNROLL
    for (int o = 0; o < kPnetPooled; o += 4) store_four(to + o / 4 * group, sums.four(0, 0, o));
  }
};

// The second layer: 3x3 to 16 channels, of which a thread makes some of a few rows.
struct PnetConv2 {
  PnetTiles tiles;
  const float* pooled;
  LayerWeights weights;
  float* map;

  TRTMTCNN_HD void operator()(int i) const {
    const int t = segment_of(tiles.map_starts, tiles.count, i), local = i - tiles.map_starts[t];
    const PnetTile& tile = tiles.tiles[t];
    const int height = tile.map_height(), width = tile.map_width(), in_width = tile.pooled_width();
    const int blocks = (height + kPnetMapRows - 1) / kPnetMapRows * width;
    const int first = local / blocks * kPnetMapOutputs, y = local % blocks / width * kPnetMapRows, x = local % width;
    const float* from =
        pooled + ptrdiff_t{kPnetPooled} * tiles.pooled_starts[t] + 4 * (static_cast<ptrdiff_t>(y) * in_width + x);
    const MapBlock block{from, ptrdiff_t{4} * in_width * tile.pooled_height(), 4 * in_width,
                         tile.pooled_height() - 1 - y, 2};
    const auto sums = convolve<10, 3, kPnetMapRows, 1, kPnetMapOutputs>(block, weights, first, kPnetMap);
    const ptrdiff_t group = ptrdiff_t{4} * width * height;
    float* to = map + ptrdiff_t{kPnetMap} * tile.map_start + first / 4 * group;
    TRTMTCNN_UNROLL
    for (int r = 0; r < kPnetMapRows; ++r) {
      if (y + r >= height) return;
      TRTMTCNN_UNROLL
      for (int o = 0; o < kPnetMapOutputs; o += 4)
        store_four(to + o / 4 * group + 4 * (static_cast<ptrdiff_t>(y + r) * width + x), sums.four(r, 0, o));
    }
  }
};

// What a cell's 32 features say.
struct PnetHeads {
  LayerWeights weights;  // [output][feature], see DeviceNet

  TRTMTCNN_HD float output(int o, const float (&features)[kPnetFeatures]) const {
    float sum = weights.bias[o];
    TRTMTCNN_UNROLL
    for (int f = 0; f < kPnetFeatures; f += 4) {
      const Four weight = load_four(weights.weights + o * kPnetFeatures + f);
      TRTMTCNN_UNROLL
      for (int i = 0; i < 4; ++i) sum += features[f + i] * weight.at[i];
    }
    return sum;
  }
  TRTMTCNN_HD float score(const float (&features)[kPnetFeatures]) const {
    return face_probability(output(1, features));
  }
  TRTMTCNN_HD void regression(const float (&features)[kPnetFeatures], float (&out)[4]) const {
    for (int k = 0; k < 4; ++k) out[k] = output(kProb.channels + k, features);
  }
};

// The third layer: 3x3 to 32 features, a few rows of a column of cells. take(tile's index, row, column, features) of
// each cell.
template <typename Take>
TRTMTCNN_HD void pnet_features(const PnetTiles& tiles, const float* map, const LayerWeights& weights, int i,
                               const Take& take) {
  const int t = segment_of(tiles.cell_starts, tiles.count, i), local = i - tiles.cell_starts[t];
  const PnetTile& tile = tiles.tiles[t];
  const int columns = tile.cell_columns(), y = local / columns * kPnetCellRows, x = local % columns;
  const int height = tile.map_height(), width = tile.map_width();
  const float* from = map + ptrdiff_t{kPnetMap} * tile.map_start + 4 * (static_cast<ptrdiff_t>(y) * width + x);
  const MapBlock block{from, ptrdiff_t{4} * width * height, 4 * width, height - 1 - y, 2};
  const auto sums = convolve<16, 3, kPnetCellRows, 1, kPnetFeatures>(block, weights, 0, kPnetFeatures);
  TRTMTCNN_UNROLL
  for (int r = 0; r < kPnetCellRows; ++r)
    if (y + r < tile.cell_rows()) take(t, y + r, x, sums.at[r][0]);
}

// Adds a cell's window where its score reaches the threshold.
TRTMTCNN_HD void add_proposal(const DeviceBoxes& boxes, const Level* levels, const PnetTile& tile, int y, int x,
                              float score, float threshold, const float (&regression)[4]) {
  if (!is_face(score, threshold, regression)) return;
  const int slot = atomic_add(boxes.count, 1);
  if (slot >= boxes.capacity) return;  // seen by the host, which then makes room and starts again
  DeviceBox box{};
  static_cast<Box&>(box) = cell_window(levels[tile.level], tile.level, x, tile.first_row + y, score, regression);
  boxes.data[slot] = box;
}

// P-Net's outputs of images of one size, each a tile: (n, 2, rows, columns), (n, 4, rows, columns).
struct PnetArrays {
  float *prob, *regression;

  TRTMTCNN_HD void write(const PnetTile& tile, int image, int y, int x, float score, const float (&of)[4]) const {
    const ptrdiff_t cells = static_cast<ptrdiff_t>(tile.cell_rows()) * tile.cell_columns();
    const ptrdiff_t at = static_cast<ptrdiff_t>(y) * tile.cell_columns() + x;
    prob[2 * image * cells + at] = 1 - score;
    prob[(2 * image + 1) * cells + at] = score;
    for (int k = 0; k < 4; ++k) regression[(4 * image + k) * cells + at] = of[k];
  }
};

// Adds the windows of cells whose score reaches the threshold.
struct PnetPropose {
  PnetTiles tiles;
  const float* map;
  LayerWeights weights;
  PnetHeads heads;
  const Level* levels;
  float threshold;
  DeviceBoxes boxes;

  TRTMTCNN_HD void operator()(int i) const {
    pnet_features(tiles, map, weights, i, [this](int t, int y, int x, const float (&features)[kPnetFeatures]) {
      const float score = heads.score(features);
      if (!(score >= threshold)) return;
      float regression[4];
      heads.regression(features, regression);
      add_proposal(boxes, levels, tiles.tiles[t], y, x, score, threshold, regression);
    });
  }
};

// Writes the outputs of all cells.
struct PnetOutputs {
  PnetTiles tiles;
  const float* map;
  LayerWeights weights;
  PnetHeads heads;
  PnetArrays out;

  TRTMTCNN_HD void operator()(int i) const {
    pnet_features(tiles, map, weights, i, [this](int t, int y, int x, const float (&features)[kPnetFeatures]) {
      float regression[4];
      heads.regression(features, regression);
      out.write(tiles.tiles[t], t, y, x, heads.score(features), regression);
    });
  }
};

// Planes (n, 3, plane) to pixels (n, plane, 4), as the networks' first layers read them.
struct InterleavePlanes {
  const float* planes;
  int plane;
  NetInput out;

  TRTMTCNN_HD void operator()(int64_t i) const {
    const float* from = planes + i / plane * 3 * plane + i % plane;
    out.write(i, {{from[0], from[plane], from[ptrdiff_t{2} * plane], 0}});
  }
};

}  // namespace trtmtcnn::cuda
