// The first layer of R-Net and O-Net: a 3 x 3 convolution of three channels, and the maxima of its windows.
#pragma once

#include "cpu/nets/isa/lanes.h"
#include "cpu/nets/isa/pooling.h"
#include "cpu/nets/isa/winograd.h"

#ifndef TRTMTCNN_LANES

namespace trtmtcnn::cpu {
namespace {

// A crop of S x S pixels to O channels, pixels of whole vectors, by F(2 x 2, 3 x 3). Three channels fill no vector:
// inputs are transformed a row at a time, whatever their channel, and products are added to the sums that they belong
// to as they come.
template <int O, int S, int W>
class FirstLayer {
  static_assert(S % 2 == 0);
  static constexpr int kSize = S - 2, kVectors = ceil_div(O, kLanes), kStride = kVectors * kLanes;
  static constexpr int kRow = ceil_div(3 * S, kLanes) * kLanes;  // of one transformed value
  static constexpr int kBand = 4;                                // rows of output in memory: two more than are made
  static constexpr int kTiles = kSize / 2;
  // Tiles and vectors summed up at a time: four sums each.
  static constexpr int V = kVectors % 2 == 0 ? 2 : 1, P = kSums >= 24 ? 2 : 1;

 public:
  static constexpr int kColumns = 2;  // of a tile
  static constexpr int kScratch = 4 * (kRow + kLanes) + 16 * kRow + kBand * kSize * kStride;

  static void run(const float* crop, const PackedConv& conv, Scalar* scratch, Scalar* out) {
    Scalar* const rows = scratch;
    Scalar* const values = rows + 4 * (kRow + kLanes);
    Scalar* const band = values + 16 * kRow;
    for (int i = 0; i < 4; ++i) store(rows + i * (kRow + kLanes) + kRow, Vector{});
    constexpr int kPooled = pooled_size(kSize, W);
    int pooled = 0;
    for (int y = 0; y < kSize; y += 2) {
      transform(crop + y * 3 * S, rows, values);
      Scalar* to[2];
      for (int r = 0; r < 2; ++r) to[r] = band + (y + r) % kBand * (kSize * kStride);
      for (int v = 0; v < kVectors; v += V) {
        int tile = 0;
        for (; tile + P <= kTiles; tile += P) tiles<P>(values, tile, v, conv, to);
        for (; tile < kTiles; ++tile) tiles<1>(values, tile, v, conv, to);
      }
      for (; pooled < kPooled && (2 * pooled + W <= y + 2 || y + 2 == kSize); ++pooled) {
        const Scalar* window[W];
        for (int r = 0; r < W; ++r) window[r] = band + (2 * pooled + r) % kBand * (kSize * kStride);
        const int count = kSize - 2 * pooled;
        pool_row<Element, O, W>(window, count < W ? count : W, kSize, kStride, out + pooled * kPooled * kStride,
                                kStride);
      }
    }
  }

 private:
  // Four rows of pixels to 16 rows of transformed values, those of the tile at pixel x at 3 x.
  static TRTMTCNN_INLINE void transform(const float* in, Scalar* rows, Scalar* values) {
    for (int x = 0; x < kRow; x += kLanes) {
      Vector d[4], v[4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) d[r] = load(in + r * 3 * S + x);
      F2x3::input(d, v);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) store(rows + i * (kRow + kLanes) + x, v[i]);
    }
    for (int i = 0; i < 4; ++i) {
      const Scalar* row = rows + i * (kRow + kLanes);
      for (int x = 0; x < kRow; x += kLanes) {
        Vector d[4], v[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) d[k] = load(row + x + 3 * k);
        F2x3::input(d, v);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) store(values + (4 * i + k) * kRow + x, v[k]);
      }
    }
  }

  template <int N>
  static TRTMTCNN_INLINE void tiles(const Scalar* values, int tile, int vector, const PackedConv& conv,
                                    Scalar* const* to) {
    Vector sums[N][V][2][2];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Vector bias = load(scalars(conv.bias) + (vector + v) * kLanes);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sums[n][v][k / 2][k % 2] = bias;
    }
    const Scalar* in = values + 6 * tile;
    const Scalar* weights = scalars(conv.transformed) + vector * 3 * kLanes;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      Vector products[N][V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
#pragma GCC unroll 4
        for (int c = 0; c < 3; ++c) {
          const Vector w = load(weights + ((i * kVectors + v) * 3 + c) * kLanes);
#pragma GCC unroll 4
          for (int n = 0; n < N; ++n) {
            const Scalar x = in[i * kRow + 6 * n + c];
            if (c == 0)
              products[n][v] = w * splat(x);
            else
              add_product(products[n][v], w, x);
          }
        }
      }
      // A^T m A, of which each product is one term: F2x3::output.
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
#pragma GCC unroll 4
          for (int k = 0; k < 4; ++k) {
            const int sign = kOutput[k / 2][i / 4] * kOutput[k % 2][i % 4];
            if (sign > 0) sums[n][v][k / 2][k % 2] += products[n][v];
            if (sign < 0) sums[n][v][k / 2][k % 2] -= products[n][v];
          }
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Vector slope = load(scalars(conv.slope) + (vector + v) * kLanes);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k)
          store(to[k / 2] + (2 * (tile + n) + k % 2) * kStride + (vector + v) * kLanes,
                prelu(sums[n][v][k / 2][k % 2], slope));
    }
  }

  static constexpr int kOutput[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
};

}  // namespace
}  // namespace trtmtcnn::cpu

#endif
