// P-Net's layers in float16, in sums of two: those of pnet.h, each by warps.
#pragma once

#include "cuda/kernels/convolve_tiles.h"
#include "cuda/kernels/pnet.h"

namespace trtmtcnn::cuda {

// How many a warp makes: of pooled pixels, of pixels of the second layer's map, and of cells.
inline constexpr int kPnetWarpPooled = 16, kPnetWarpMap = 32, kPnetWarpCells = 32;
inline constexpr int kPnetTileFeatures = 2;  // groups of channels

// Where a pixel of a map begins.
template <int kChannels>
TRTMTCNN_HD const Half* pnet_row(const TwoHalves* map, ptrdiff_t pixel) {
  return reinterpret_cast<const Half*>(map) + pixel_halves<TwoHalves>(kChannels) * pixel;
}

// A pixel, or cell, of all tiles.
struct PnetPlace {
  int tile, y, x;
};

// Item i of those that tiles from `tile` on have, `columns` in a row of each.
template <typename Columns>
TRTMTCNN_HD PnetPlace pnet_place(const int* starts, int count, int tile, int i, const Columns& columns) {
  while (tile + 1 < count && starts[tile + 1] <= i) ++tile;
  const int local = i - starts[tile], in_row = columns(tile);
  return {tile, local / in_row, local % in_row};
}

// The first layer: 3x3 to 10 channels, and the maximum of two by two of its pixels. An odd last row or column has a
// window of its own, which takes its pixels twice.
struct PnetConv1Fp16 {
  PnetTiles tiles;
  const TwoHalves* pixels;
  HalfLayer weights;
  TwoHalves* pooled;

  template <typename Warp>
  TRTMTCNN_HD void operator()(const Warp& warp, int i) const {
    constexpr int kTiles = 4, kMaxima = kTiles / 2;
    const int first = kPnetWarpPooled * i, from = segment_of(tiles.pooled_starts, tiles.count, first);
    PerLane<Warp, TileRows<kTiles>> rows;
    warp.each([&](int lane) {
      TRTMTCNN_UNROLL
      for (int m = 0; m < kMaxima; ++m) {
        const PnetPlace at =
            pnet_place(tiles.pooled_starts, tiles.count, from, min(first + 8 * m + tile_row(lane), tiles.pooled - 1),
                       [&](int t) { return tiles.tiles[t].pooled_width(); });
        const PnetTile& tile = tiles.tiles[at.tile];
        TRTMTCNN_UNROLL
        for (int s = 0; s < 4; ++s) {
          const int y = min(2 * at.y + s / 2, tile.height - 3), x = min(2 * at.x + s % 2, tile.width - 3);
          rows[lane].at[4 * m + s] =
              pnet_row<3>(pixels, ptrdiff_t{tiles.pixel_starts[at.tile]} + ptrdiff_t{y} * tile.width + x);
          rows[lane].row[4 * m + s] = pixel_halves<TwoHalves>(3) * tile.width;
        }
      }
    });
    PerLane<Warp, GroupSums<kTiles, 1>> sums;
    convolve_tiles<TwoHalves, 3, 3, kTiles, 1>(warp, rows, 0, weights, 0, 1, sums);
    warp.each([&](int lane) {
      TRTMTCNN_UNROLL
      for (int m = 0; m < kMaxima; ++m)
        if (const int to = first + 8 * m + tile_row(lane); to < tiles.pooled)
          store_pixel<kTileStep>(pooled, to, tile_channel(lane), maximum_of<4>(sums[lane], 4 * m, 0));
    });
  }
};

// The second layer: 3x3 to 16 channels.
struct PnetConv2Fp16 {
  PnetTiles tiles;
  const TwoHalves* pooled;
  HalfLayer weights;
  TwoHalves* map;

  template <typename Warp>
  TRTMTCNN_HD void operator()(const Warp& warp, int i) const {
    constexpr int kTiles = kPnetWarpMap / 16;
    const int first = kPnetWarpMap * i, from = segment_of(tiles.map_starts, tiles.count, first);
    PerLane<Warp, TileRows<kTiles>> rows;
    warp.each([&](int lane) {
      TRTMTCNN_UNROLL
      for (int s = 0; s < 2 * kTiles; ++s) {
        const PnetPlace at =
            pnet_place(tiles.map_starts, tiles.count, from, min(first + 8 * s + tile_row(lane), tiles.map_pixels - 1),
                       [&](int t) { return tiles.tiles[t].map_width(); });
        const int width = tiles.tiles[at.tile].pooled_width();
        rows[lane].at[s] =
            pnet_row<10>(pooled, ptrdiff_t{tiles.pooled_starts[at.tile]} + ptrdiff_t{at.y} * width + at.x);
        rows[lane].row[s] = pixel_halves<TwoHalves>(10) * width;
      }
    });
    PerLane<Warp, GroupSums<kTiles, 1>> sums;
    convolve_tiles<TwoHalves, 10, 3, kTiles, 1>(warp, rows, 0, weights, 0, 1, sums);
    warp.each([&](int lane) {
      TRTMTCNN_UNROLL
      for (int s = 0; s < 2 * kTiles; ++s)
        if (const int to = first + 8 * s + tile_row(lane); to < tiles.map_pixels)
          store_pixel<kTileStep>(map, to, tile_channel(lane), four_of(sums[lane], s, 0));
    });
  }
};

// What the heads say of a cell: the logit of "face" less that of "not face", and the regression.
struct PnetCell {
  float margin;
  float regression[4];
};

// The third layer: 3x3 to 32 features, and the heads. take(place, cell) of each cell.
//
// A lane's sums, as TwoHalves, are its inputs of the heads' products. The heads' columns are the same for all four
// lanes of a row, so that each has all outputs of its rows, of which it takes one.
template <typename Warp, typename Take>
TRTMTCNN_HD void pnet_cells(const PnetTiles& tiles, const TwoHalves* map, const HalfLayer& weights,
                            const HalfLayer& heads, const Warp& warp, int i, const Take& take) {
  constexpr int kTiles = kPnetWarpCells / 16, kSlots = 2 * kTiles;
  static_assert(kSlots == 4);
  const int first = kPnetWarpCells * i, from = segment_of(tiles.cell_starts, tiles.count, first);
  const auto place = [&](int cell) {
    return pnet_place(tiles.cell_starts, tiles.count, from, min(cell, tiles.cell_blocks - 1),
                      [&](int t) { return tiles.tiles[t].cell_columns(); });
  };
  PerLane<Warp, TileRows<kTiles>> rows;
  warp.each([&](int lane) {
    TRTMTCNN_UNROLL
    for (int s = 0; s < kSlots; ++s) {
      const PnetPlace at = place(first + 8 * s + tile_row(lane));
      const int width = tiles.tiles[at.tile].map_width();
      rows[lane].at[s] = pnet_row<16>(map, ptrdiff_t{tiles.map_starts[at.tile]} + ptrdiff_t{at.y} * width + at.x);
      rows[lane].row[s] = pixel_halves<TwoHalves>(16) * width;
    }
  });
  PerLane<Warp, GroupSums<kTiles, kPnetTileFeatures>> sums;
  convolve_tiles<TwoHalves, 16, 3, kTiles, kPnetTileFeatures>(warp, rows, 0, weights, 0, kPnetTileFeatures, sums);
  StepInputs<Warp, TwoHalves, kTiles> features;
  PerLane<Warp, TileSums<kTiles, kPnetHeadTiles>> outputs;
  warp.each([&](int lane) { outputs[lane] = {}; });
  TRTMTCNN_UNROLL
  for (int g = 0; g < kPnetTileFeatures; ++g) {
    warp.each([&](int lane) {
      TRTMTCNN_UNROLL
      for (int s = 0; s < kSlots; ++s) {
        const Four four = four_of(sums[lane], s, g);
        const FourHalves first = to_halves(four);
        set_row(features.in[0][lane], s, first);
        set_row(features.in[1][lane], s, rest_of(four, first));
      }
    });
    constexpr int kHalvesOfGroup = kPnetHeadTiles * kColumnHalves;
    multiply_step<TwoHalves, kTiles, kPnetHeadTiles>(warp, features, heads.weights + g * kHalvesOfGroup,
                                                     kPnetTileFeatures * kHalvesOfGroup, outputs);
  }
  warp.each([&](int lane) {
    const int own = lane % kSlots, cell = first + 8 * own + tile_row(lane);
    if (cell >= tiles.cell_blocks) return;
    float of[2 * kPnetHeadTiles] = {};
    TRTMTCNN_UNROLL
    for (int s = 0; s < kSlots; ++s) {
      TRTMTCNN_UNROLL
      for (int o = 0; o < 2 * kPnetHeadTiles; ++o)
        if (s == own) of[o] = outputs[lane].at[s / 2][o / 2].at[s % 2 * 2 + o % 2] + heads.bias[o];
    }
    take(place(cell), PnetCell{of[0], {of[1], of[2], of[3], of[4]}});
  });
}

// Adds the windows of cells whose score reaches the threshold.
struct PnetProposeFp16 {
  PnetTiles tiles;
  const TwoHalves* map;
  HalfLayer weights, heads;
  const Level* levels;
  float threshold;
  DeviceBoxes boxes;

  template <typename Warp>
  TRTMTCNN_HD void operator()(const Warp& warp, int i) const {
    pnet_cells(tiles, map, weights, heads, warp, i, [this](const PnetPlace& at, const PnetCell& cell) {
      add_proposal(boxes, levels, tiles.tiles[at.tile], at.y, at.x, face_probability(cell.margin), threshold,
                   cell.regression);
    });
  }
};

// Writes the outputs of all cells.
struct PnetOutputsFp16 {
  PnetTiles tiles;
  const TwoHalves* map;
  HalfLayer weights, heads;
  PnetArrays out;

  template <typename Warp>
  TRTMTCNN_HD void operator()(const Warp& warp, int i) const {
    pnet_cells(tiles, map, weights, heads, warp, i, [this](const PnetPlace& at, const PnetCell& cell) {
      out.write(tiles.tiles[at.tile], at.tile, at.y, at.x, face_probability(cell.margin), cell.regression);
    });
  }
};

}  // namespace trtmtcnn::cuda
