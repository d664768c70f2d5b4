// The first layer of R-Net and O-Net: a 3 x 3 convolution of three channels, and the maxima of its windows.
#pragma once

#include "cpu/nets/isa/pooling.h"
#include "cpu/nets/isa/winograd.h"

namespace trtmtcnn::cpu {
namespace {

// A crop of S x S pixels to O channels, pixels of whole vectors, by F(2 x 2, 3 x 3). Three channels fill no vector:
// inputs are transformed a row at a time, whatever their channel, and products are added to the sums that they belong
// to as they come.
template <int O, int S, int W>
class FirstLayer {
  static_assert(S % 2 == 0);
  static constexpr int kSize = S - 2, kVectors = ceil_div(O, kLanes), kStride = kVectors * kLanes;
  static constexpr int kRow = ceil_div(3 * S, kLanes) * kLanes;  // floats of one transformed value
  static constexpr int kBand = 4;                                // rows of output in memory: two more than are made
  static constexpr int kTiles = kSize / 2;
  // Tiles and vectors summed up at a time: four sums each.
#ifdef __aarch64__
  static constexpr int V = 1, P = 4;
#else
  static constexpr int V = kVectors % 2 == 0 ? 2 : 1, P = kSums >= 24 ? 2 : 1;
#endif

 public:
  static constexpr int kScratchFloats = 4 * (kRow + kLanes) + 16 * kRow + kBand * kSize * kStride;

  static void run(const float* crop, const PackedConv& conv, float* scratch, float* out) {
    float* const rows = scratch;
    float* const values = rows + 4 * (kRow + kLanes);
    float* const band = values + 16 * kRow;
    for (int i = 0; i < 4; ++i) store(rows + i * (kRow + kLanes) + kRow, Vector{});
    constexpr int kPooled = pooled_size(kSize, W);
    int pooled = 0;
    for (int y = 0; y < kSize; y += 2) {
      transform(crop + y * 3 * S, rows, values);
      float* to[2];
      for (int r = 0; r < 2; ++r) to[r] = band + (y + r) % kBand * (kSize * kStride);
      for (int v = 0; v < kVectors; v += V) {
#ifdef __aarch64__
        for (int tile = 0; tile < kTiles; tile += P)  // the last ones overlap those before
          tiles_by_lanes(values, tile + P <= kTiles ? tile : kTiles - P, v, conv, to);
        continue;
#endif
        int tile = 0;
        for (; tile + P <= kTiles; tile += P) tiles<P>(values, tile, v, conv, to);
        for (; tile < kTiles; ++tile) tiles<1>(values, tile, v, conv, to);
      }
      for (; pooled < kPooled && (2 * pooled + W <= y + 2 || y + 2 == kSize); ++pooled) {
        const float* window[W];
        for (int r = 0; r < W; ++r) window[r] = band + (2 * pooled + r) % kBand * (kSize * kStride);
        const int count = kSize - 2 * pooled;
        pool_row<Float32, O, W>(window, count < W ? count : W, kSize, kStride, out + pooled * kPooled * kStride,
                                kStride);
      }
    }
  }

 private:
  // Four rows of pixels to 16 rows of transformed values, those of the tile at pixel x at 3 x.
  static TRTMTCNN_INLINE void transform(const float* in, float* rows, float* values) {
    for (int x = 0; x < kRow; x += kLanes) {
      Vector d[4], v[4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) d[r] = load(in + r * 3 * S + x);
      F2x3::input(d, v);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) store(rows + i * (kRow + kLanes) + x, v[i]);
    }
    for (int i = 0; i < 4; ++i) {
      const float* row = rows + i * (kRow + kLanes);
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
  static TRTMTCNN_INLINE void tiles(const float* values, int tile, int vector, const PackedConv& conv,
                                    float* const* to) {
    Vector sums[N][V][2][2];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Vector bias = load(conv.bias + (vector + v) * kLanes);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sums[n][v][k / 2][k % 2] = bias;
    }
    const float* in = values + 6 * tile;
    const float* weights = conv.transformed + vector * 3 * kLanes;
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
            const Vector product = w * in[i * kRow + 6 * n + c];
            products[n][v] = c == 0 ? product : products[n][v] + product;
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
      const Vector slope = load(conv.slope + (vector + v) * kLanes);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k)
          store(to[k / 2] + (2 * (tile + n) + k % 2) * kStride + (vector + v) * kLanes,
                prelu(sums[n][v][k / 2][k % 2], slope));
    }
  }

#ifdef __aarch64__
  // A tile's three channels in one place of the transform are lanes of a vector. Of A^T m A, the sums down a column of
  // the transform are made in the multiplications, whose products are added to the others' or subtracted from them.
  static TRTMTCNN_INLINE void tiles_by_lanes(const float* values, int tile, int vector, const PackedConv& conv,
                                             float* const* to) {
    const Vector bias = load(conv.bias + vector * kLanes), slope = load(conv.slope + vector * kLanes);
    Vector sums[P][2][2];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) sums[p][k / 2][k % 2] = bias;
    const float* in = values + 6 * tile;
    const float* weights = conv.transformed + vector * 3 * kLanes;
    const auto at = [&](int row, int column, int p) { return load(in + (4 * row + column) * kRow + 6 * p); };
#pragma GCC unroll 4
    for (int column = 0; column < 4; ++column) {
      Vector w[4][3];
#pragma GCC unroll 4
      for (int row = 0; row < 4; ++row)
#pragma GCC unroll 4
        for (int c = 0; c < 3; ++c) w[row][c] = load(weights + ((4 * row + column) * kVectors * 3 + c) * kLanes);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        const Vector x1 = at(1, column, p), x2 = at(2, column, p);
        const Vector one = add_lane<2>(add_lane<1>(times_lane<0>(w[1][0], x1), w[1][1], x1), w[1][2], x1);
        const Vector two = add_lane<2>(add_lane<1>(times_lane<0>(w[2][0], x2), w[2][1], x2), w[2][2], x2);
        const Vector x0 = at(0, column, p), x3 = at(3, column, p);
        Vector down[2] = {one + two, one - two};
        down[0] = add_lane<2>(add_lane<1>(add_lane<0>(down[0], w[0][0], x0), w[0][1], x0), w[0][2], x0);
        down[1] = subtract_lane<2>(subtract_lane<1>(subtract_lane<0>(down[1], w[3][0], x3), w[3][1], x3), w[3][2], x3);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
          const int sign = kOutput[k % 2][column];
          if (sign > 0) sums[p][k / 2][k % 2] += down[k / 2];
          if (sign < 0) sums[p][k / 2][k % 2] -= down[k / 2];
        }
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        store(to[k / 2] + (2 * (tile + p) + k % 2) * kStride + vector * kLanes, prelu(sums[p][k / 2][k % 2], slope));
  }
#endif

  static constexpr int kOutput[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
};

}  // namespace
}  // namespace trtmtcnn::cpu
