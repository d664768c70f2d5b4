// The first layer of R-Net and O-Net where the instruction set multiplies by a lane: a 3 x 3 convolution of three
// channels, and the maxima of its windows.
#pragma once

#include "cpu/nets/isa/lanes.h"
#include "cpu/nets/isa/pooling.h"
#include "cpu/nets/isa/winograd.h"

#ifdef TRTMTCNN_LANES

namespace trtmtcnn::cpu {
namespace {

// A crop of S x S pixels to O channels, pixels of whole vectors, by F(2 x 4, 3 x 3): a tile's three channels in one
// place of the transform are lanes of a vector. Of two tiles at a time products are added to the sums that they belong
// to as they come.
template <int O, int S, int W>
class FirstLayer {
  using Down = F2x3;
  using Across = F4x3;
  static constexpr int kSize = S - 2, kVectors = ceil_div(O, kLanes), kStride = kVectors * kLanes;
  static constexpr int kTiles = ceil_div(kSize, Across::kOut);  // the last one overlaps the one before
  static constexpr int kTile = 4;                               // values: three channels, and one that is not used
  static constexpr int kPlace = kTiles * kTile;                 // of one place of the transform, all tiles
  static constexpr int kRow = Across::kIn * kPlace;
  static constexpr int kBand = 4;  // rows of output in memory: two more than are made
  static constexpr int kTogether = kLanes / kTile, kSecond = (kTogether - 1) * kTile;  // lane of a pair's second tile
  static_assert(kSize % Down::kOut == 0 && kTiles % 2 == 0 && kTogether <= 2);

 public:
  static constexpr int kRows = Down::kOut, kColumns = Across::kOut;
  static constexpr int kScratch = 2 * Down::kIn * kRow + kBand * kSize * kStride;

  static void run(const float* crop, const PackedConv& conv, Scalar* scratch, Scalar* out) {
    Scalar* const rows = scratch;
    Scalar* const values = rows + Down::kIn * kRow;
    Scalar* const band = values + Down::kIn * kRow;
    constexpr int kPooled = pooled_size(kSize, W);
    int read = 0, pooled = 0;
    for (int y = 0; y < kSize; y += Down::kOut) {
      for (; read < y + Down::kIn; ++read) transform_row(crop + read * 3 * S, rows + read % Down::kIn * kRow);
      transform_columns(rows, y, values);
      Scalar* const to[2] = {band + y % kBand * (kSize * kStride), band + (y + 1) % kBand * (kSize * kStride)};
      for (int v = 0; v < kVectors; ++v)
        for (int tile = 0; tile < kTiles; tile += 2) two_tiles(values, tile, v, conv, to);
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
  static TRTMTCNN_INLINE int corner(int tile) {
    return tile * kColumns + kColumns <= kSize ? tile * kColumns : kSize - kColumns;
  }

  static TRTMTCNN_INLINE void transform_row(const float* in, Scalar* out) {
    for (int tile = 0; tile < kTiles; tile += kTogether) {
      const float *const first = in + 3 * corner(tile), *const last = in + 3 * corner(tile + kTogether - 1);
      Vector d[Across::kIn], v[Across::kIn];
#pragma GCC unroll 6
      for (int x = 0; x < Across::kIn; ++x) d[x] = load_fours(first + 3 * x, last + 3 * x);
      Across::input(d, v);
#pragma GCC unroll 6
      for (int x = 0; x < Across::kIn; ++x) store(out + x * kPlace + tile * kTile, v[x]);
    }
  }

  static TRTMTCNN_INLINE void transform_columns(const Scalar* rows, int y, Scalar* out) {
    const Scalar* from[Down::kIn];
    for (int r = 0; r < Down::kIn; ++r) from[r] = rows + (y + r) % Down::kIn * kRow;
#pragma GCC unroll 1
    for (int i = 0; i < kRow; i += kLanes) {
      Vector d[Down::kIn], v[Down::kIn];
#pragma GCC unroll 4
      for (int r = 0; r < Down::kIn; ++r) d[r] = load(from[r] + i);
      Down::input(d, v);
#pragma GCC unroll 4
      for (int r = 0; r < Down::kIn; ++r) store(out + r * kRow + i, v[r]);
    }
  }

  // Two tiles in one place of the transform, and the weights there.
  struct Place {
    TRTMTCNN_INLINE Place(const Scalar* values, const Scalar* weights, int row, int column)
        : first(load(values + row * kRow + column * kPlace)),
          second(kTogether == 2 ? first : load(values + row * kRow + column * kPlace + kTile)) {
      const Scalar* at = weights + (row * Across::kIn + column) * (kVectors * 3 * kLanes);
#pragma GCC unroll 3
      for (int c = 0; c < 3; ++c) w[c] = load(at + c * kLanes);
    }

    template <int L>
    TRTMTCNN_INLINE Vector products(Vector x) const {
      return add_lane<L + 2>(add_lane<L + 1>(times_lane<L>(w[0], x), w[1], x), w[2], x);
    }
    template <int L>
    TRTMTCNN_INLINE Vector add(Vector sum, Vector x) const {
      return add_lane<L + 2>(add_lane<L + 1>(add_lane<L>(sum, w[0], x), w[1], x), w[2], x);
    }
    template <int L>
    TRTMTCNN_INLINE Vector subtract(Vector sum, Vector x) const {
      return subtract_lane<L + 2>(subtract_lane<L + 1>(subtract_lane<L>(sum, w[0], x), w[1], x), w[2], x);
    }

    Vector first, second, w[3];
  };

  // What a column of the transform is for the two rows of output: Down::output, made in the multiplications. Row by
  // row: sixteen sums leave no registers for more weights than a row's.
  struct Column {
    TRTMTCNN_INLINE Column(const Scalar* values, const Scalar* weights, int column, const Vector* bias = nullptr) {
      Vector one[2];
      {
        const Place place(values, weights, 1, column);
        one[0] = bias ? place.template add<0>(*bias, place.first) : place.template products<0>(place.first);
        one[1] =
            bias ? place.template add<kSecond>(*bias, place.second) : place.template products<kSecond>(place.second);
      }
      {
        const Place place(values, weights, 2, column);
        const Vector two[2] = {place.template products<0>(place.first), place.template products<kSecond>(place.second)};
#pragma GCC unroll 2
        for (int t = 0; t < 2; ++t) sums[0][t] = one[t] + two[t], sums[1][t] = one[t] - two[t];
      }
      {
        const Place place(values, weights, 0, column);
        sums[0][0] = place.template add<0>(sums[0][0], place.first);
        sums[0][1] = place.template add<kSecond>(sums[0][1], place.second);
      }
      {
        const Place place(values, weights, 3, column);
        sums[1][0] = place.template subtract<0>(sums[1][0], place.first);
        sums[1][1] = place.template subtract<kSecond>(sums[1][1], place.second);
      }
    }

    Vector sums[2][2];  // [row][tile]
  };

  static TRTMTCNN_INLINE void two_tiles(const Scalar* values, int tile, int vector, const PackedConv& conv,
                                        Scalar* const* to) {
    static_assert(Across::kIn == 6 && Across::kOut == 4);
    values += tile * kTile;
    const Scalar* weights = scalars(conv.transformed) + vector * 3 * kLanes;
    const Vector bias = load(scalars(conv.bias) + vector * kLanes);
    Vector near[2][2], near_difference[2][2];
    {
      const Column one(values, weights, 1, &bias), two(values, weights, 2);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        near[i / 2][i % 2] = one.sums[i / 2][i % 2] + two.sums[i / 2][i % 2];
        near_difference[i / 2][i % 2] = one.sums[i / 2][i % 2] - two.sums[i / 2][i % 2];
      }
    }
    Vector pixels[2][2][4];  // [row][tile][column]
    {
      const Column three(values, weights, 3), four(values, weights, 4);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const int r = i / 2, t = i % 2;
        const Vector far = three.sums[r][t] + four.sums[r][t], far_difference = three.sums[r][t] - four.sums[r][t];
        pixels[r][t][0] = near[r][t] + far;
        pixels[r][t][1] = near_difference[r][t] + 2 * far_difference;
        pixels[r][t][2] = near[r][t] + 4 * far;
        pixels[r][t][3] = near_difference[r][t] + 8 * far_difference;
      }
    }
    {
      const Column zero(values, weights, 0);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) pixels[i / 2][i % 2][0] += zero.sums[i / 2][i % 2];
    }
    {
      const Column five(values, weights, 5);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) pixels[i / 2][i % 2][3] += five.sums[i / 2][i % 2];
    }
    const Vector slope = load(scalars(conv.slope) + vector * kLanes);
#pragma GCC unroll 2
    for (int t = 0; t < 2; ++t) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(corner(tile + t)) * kStride + vector * kLanes;
#pragma GCC unroll 2
      for (int r = 0; r < 2; ++r)
#pragma GCC unroll 4
        for (int x = 0; x < 4; ++x) store(to[r] + at + x * kStride, prelu(pixels[r][t][x], slope));
    }
  }
};

}  // namespace
}  // namespace trtmtcnn::cpu

#endif
