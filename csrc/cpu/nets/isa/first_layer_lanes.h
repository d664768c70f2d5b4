// The first layer of R-Net and O-Net where the instruction set multiplies by a lane: a 3 x 3 convolution of three
// channels, and the maxima of its windows.
#pragma once

#include "cpu/nets/isa/pooling.h"
#include "cpu/nets/isa/winograd_lanes.h"

#ifdef TRTMTCNN_LANES

namespace trtmtcnn::cpu {
namespace {

// A crop of S x S pixels to O channels, pixels of whole vectors: a tile's three channels in one place of the transform
// are lanes.
template <int O, int S, int W>
class FirstLayer {
  static constexpr int kSize = S - 2, kVectors = ceil_div(O, kLanes), kStride = kVectors * kLanes;
  using Down = F2x3;
  using Across = F4x3;
  static constexpr int kTiles = ceil_div(kSize, Across::kOut);  // the last one overlaps the one before
  static constexpr int kTile = 4, kPlace = kTiles * kTile;      // values, in one place of the transform
  static constexpr int kRow = Across::kIn * kPlace;
  static constexpr int kBand = 4;                   // rows of output in memory: two more than are made
  static constexpr int kTogether = kLanes / kTile;  // tiles in a vector
  using Tiles = TwoByFour<kVectors * 3 * kLanes, kPlace>;
  static_assert(kSize % Down::kOut == 0 && kTiles % 2 == 0 && kTile == Tiles::kFour);

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

  static TRTMTCNN_INLINE void two_tiles(const Scalar* values, int tile, int vector, const PackedConv& conv,
                                        Scalar* const* to) {
    const Scalar* weights = scalars(conv.transformed) + vector * 3 * kLanes;
    const Vector bias = load(scalars(conv.bias) + vector * kLanes);
    Vector pixels[2][2][4];
    Tiles::run(weights, values + tile * kTile, bias, bias, pixels);
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
