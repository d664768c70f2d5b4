// The first layer of P-Net in float32, where the instruction set multiplies by a lane: by tiles of two by four pixels,
// of which two of the maxima's windows are made. Ten channels fill no vector, so tiles lie across vectors and an output
// channel's weights for the three input channels are lanes.
#pragma once

#include "cpu/nets/isa/pnet_first_layer.h"
#include "cpu/nets/isa/winograd_lanes.h"

#ifdef TRTMTCNN_PNET_TILES

namespace trtmtcnn::cpu {
namespace {

using PnetTiles = TwoByFour<3 * kLanes, 10 * 4>;
constexpr int kTilePixels = PnetTiles::Across::kOut;
constexpr int kTileRow = PnetTiles::Across::kIn * 3 * kLanes;  // of a vector of tiles: [place][channel][tile]

// The first and the last of a tile's pixels lie in six vectors of rows: [pixel][channel].
TRTMTCNN_INLINE void tile_pixels(const float* in, Vector (&d)[18]) {
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
    Vector block[kLanes];
#pragma GCC unroll 4
    for (int t = 0; t < kLanes; ++t) block[t] = load(in + 3 * kTilePixels * t + kLanes * i);
    transpose(block);
#pragma GCC unroll 4
    for (int k = 0; k < kLanes; ++k)
      if (kLanes * i + k < 18) d[kLanes * i + k] = block[k];
  }
}

// n pixels (n, 3) to what tiles are of them down to their rows; beyond them zeros, so that no tile depends on what
// was there.
inline void pnet_tile_row(const float* pixels, int n, Scalar* out) {
  constexpr int kColumns = kTilePixels * kLanes, kRead = 3 * kColumns + 2 * kLanes;
  for (int x = 0; x + 2 < n; x += kColumns, out += kTileRow) {
    const float* in = pixels + static_cast<ptrdiff_t>(3) * x;
    float last[kRead];
    if (x + kColumns + 3 > n) {
#pragma GCC unroll 1
      for (int i = 0; i < kRead; ++i) last[i] = i < 3 * (n - x) ? in[i] : 0.0f;
      in = last;
    }
    Vector d[18];
    tile_pixels(in, d);
#pragma GCC unroll 3
    for (int c = 0; c < 3; ++c) {
      const Vector row[6] = {d[c], d[3 + c], d[6 + c], d[9 + c], d[12 + c], d[15 + c]};
      Vector v[6];
      PnetTiles::Across::input(row, v);
#pragma GCC unroll 6
      for (int k = 0; k < 6; ++k) store(out + (3 * k + c) * kLanes, v[k]);
    }
  }
}

// `count` rows, two or one, of n pixels, and their windows' maxima, (n + 1) / 2 pixels of S values. `rows`: count + 2
// of pnet_tile_row, of n + 2 pixels.
template <int O, int S>
void pnet_first_layer_tiles(const Scalar* const* rows, int count, int n, const PackedConv& conv, Scalar* out) {
  static_assert(O == 10 && S % kLanes == 0);
  const Scalar *bias = scalars(conv.bias), *slope = scalars(conv.slope);
  for (int tile = 0; kTilePixels * tile < n; tile += kLanes) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(tile) / kLanes * kTileRow;
    const Scalar* const from[4] = {rows[0] + at, rows[1] + at, rows[2] + at, rows[count + 1] + at};
    alignas(64) Scalar values[4 * kTileRow];
#pragma GCC unroll 1
    for (int i = 0; i < kTileRow; i += kLanes) {
      Vector d[4], v[4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) d[r] = load(from[r] + i);
      PnetTiles::Down::input(d, v);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) store(values + r * kTileRow + i, v[r]);
    }
    Vector pooled[2][S];  // windows of a tile
    Mask whole[2];        // the last window of an odd row has one column
    for (int h = 0; h < 2; ++h) {
      constexpr Mask kTile = {0, 1, 2, 3};
      whole[h] = kTilePixels * (kTile + tile) + 2 * h + 1 < n;
      for (int o = O; o < S; ++o) pooled[h][o] = Vector{};
    }
#pragma GCC unroll 1
    for (int o = 0; o < O; o += 2) {
      Vector pixels[2][2][4];
      PnetTiles::run(in_each_round(values), scalars(conv.transformed) + o * PnetTiles::kFour, splat(bias[o]),
                     splat(bias[o + 1]), pixels);
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k)
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          const Vector window[2][2] = {{pixels[0][k][2 * h], pixels[0][k][2 * h + 1]},
                                       {pixels[1][k][2 * h], pixels[1][k][2 * h + 1]}};
          pooled[h][o + k] = window_maximum(window, splat(slope[o + k]), count, whole[h]);
        }
    }
    for (int h = 0; h < 2; ++h) store_pixels<S, 2>(pooled[h], out + static_cast<ptrdiff_t>(2 * tile + h) * S);
  }
}

}  // namespace
}  // namespace trtmtcnn::cpu

#endif
