// The first layer of R-Net and O-Net: a 3 x 3 convolution of three channels, and the maxima of its windows.
#pragma once

#include "cpu/nets/isa/pnet_first_layer_tiles.h"
#include "cpu/nets/isa/pooling.h"
#include "cpu/nets/isa/winograd.h"

#ifndef TRTMTCNN_LANES

namespace trtmtcnn::cpu {
namespace {

// A crop of S x S pixels to O channels, pixels of whole vectors, by F(4 x 4, 3 x 3). Three channels fill no vector:
// columns of inputs are transformed a row at a time, whatever their channel, then the rows of several tiles, pixels of
// four values. A column of the transform at a time is multiplied and transformed back, and leaves the registers as four
// sums.
template <int O, int S, int W>
class FirstLayer {
  static constexpr int kSize = S - 2, kVectors = ceil_div(O, kLanes), kStride = kVectors * kLanes;
  static constexpr int kTiles = ceil_div(kSize, 4), kBandRow = 4 * kTiles * kStride;  // the last tiles reach beyond
  static constexpr int kBand = 6;  // rows of output in memory: four are made, two waited for them
  static constexpr int kAtOnce = kLanes / 4, kPlace = ceil_div(kTiles, kAtOnce) * kLanes;  // tiles in a vector
  static constexpr int kRow = ceil_div(12 * (kPlace / 4) + 8, kLanes) * kLanes;
  static constexpr int V = kVectors % 2 == 0 ? 2 : 1;  // vectors of channels at a time

 public:
  static constexpr int kRows = 4, kColumns = 4;  // of a tile
  static constexpr int kScratch = 6 * kRow + 36 * kPlace + kBand * kBandRow;

  static void run(const float* crop, const PackedConv& conv, float* scratch, float* out) {
    float* const rows = scratch;
    float* const values = rows + 6 * kRow;
    float* const band = values + 36 * kPlace;
    constexpr int kPooled = pooled_size(kSize, W);
    int pooled = 0;
    for (int y = 0; y < kSize; y += 4) {
      transform(crop, y, rows, values);
      float* to[4];
      for (int r = 0; r < 4; ++r) to[r] = band + (y + r) % kBand * kBandRow;
      for (int v = 0; v < kVectors; v += V)
        for (int tile = 0; tile < kTiles; ++tile) one_tile(values + 4 * tile, tile, v, conv, to);
      for (; pooled < kPooled && (2 * pooled + W <= y + 4 || y + 4 >= kSize); ++pooled) {
        const float* window[W];
        for (int r = 0; r < W; ++r) window[r] = band + (2 * pooled + r) % kBand * kBandRow;
        const int count = kSize - 2 * pooled;
        pool_row<Element, O, W>(window, count < W ? count : W, kSize, kStride, out + pooled * kPooled * kStride,
                                kStride);
      }
    }
  }

 private:
  // Six rows of pixels from y on, zeros where there are none, to 36 transformed values of each tile and channel, those
  // of a tile four apart.
  static TRTMTCNN_INLINE void transform(const float* crop, int y, float* rows, float* values) {
    alignas(64) static constexpr float kNone[kRow] = {};
    const float* in[6];
    for (int r = 0; r < 6; ++r) in[r] = y + r < S ? crop + (y + r) * 3 * S : kNone;
    for (int x = 0; x < 3 * S; x += kLanes) {
      Vector d[6], v[6];
#pragma GCC unroll 6
      for (int r = 0; r < 6; ++r) d[r] = load(in[r] + x);
      F4x3::input(d, v);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) store(rows + i * kRow + x, v[i]);
    }
    for (int i = 0; i < 6; ++i) {
      float* const row = rows + i * kRow;
      for (int x = 0; x < 8; x += kLanes) store(row + 3 * S + x, Vector{});  // two pixels beyond the crop
      for (int x = 0; x < kPlace; x += kLanes) {
        Vector d[6], v[6];
#pragma GCC unroll 6
        for (int k = 0; k < 6; ++k) d[k] = gather_quads(row + 3 * x + 3 * k, 12);
        F4x3::input(d, v);
#pragma GCC unroll 6
        for (int k = 0; k < 6; ++k) store(values + (6 * i + k) * kPlace + x, v[k]);
      }
    }
  }

  static TRTMTCNN_INLINE void one_tile(const float* values, int tile, int vector, const PackedConv& conv,
                                       float* const* to) {
    Vector down[V][4][6];
    const float* weights = conv.transformed + vector * 3 * kLanes;
#pragma GCC unroll 1
    for (int x = 0; x < 6; ++x, values += kPlace, weights += kVectors * 3 * kLanes) {
      Vector column[V][6];
#pragma GCC unroll 6
      for (int r = 0; r < 6; ++r) {
        const float* in = values + 6 * r * kPlace;
        const float* w = weights + 6 * r * kVectors * 3 * kLanes;
        const Vector first = splat(in[0]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) column[v][r] = load(w + 3 * v * kLanes) * first;
#pragma GCC unroll 2
        for (int c = 1; c < 3; ++c)
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) add_product(column[v][r], load(w + (3 * v + c) * kLanes), in[c]);
      }
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        Vector sums[4];
        F4x3::output(column[v], sums);
#pragma GCC unroll 4
        for (int y = 0; y < 4; ++y) down[v][y][x] = sums[y];
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      const Vector bias = load(conv.bias + (vector + v) * kLanes), slope = load(conv.slope + (vector + v) * kLanes);
#pragma GCC unroll 4
      for (int y = 0; y < 4; ++y) {
        Vector pixels[4];
        down[v][y][1] += bias;  // that value is added to all pixels
        F4x3::output(down[v][y], pixels);
#pragma GCC unroll 4
        for (int x = 0; x < 4; ++x)
          store(to[y] + (4 * tile + x) * kStride + (vector + v) * kLanes, prelu(pixels[x], slope));
      }
    }
  }
};

}  // namespace
}  // namespace trtmtcnn::cpu

#endif
