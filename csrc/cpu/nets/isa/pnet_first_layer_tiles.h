// The first layer of P-Net by F(4, 3) along rows (winograd.h): tiles of four pixels, two windows, lie across vectors.
// Rows come transformed, since two pairs of rows read each; of the columns nothing is transformed, whose sums would
// have to leave the registers more often than that saves.
#pragma once

#include "cpu/nets/isa/pnet_first_layer.h"
#include "cpu/nets/isa/winograd.h"

#ifndef TRTMTCNN_LANES

namespace trtmtcnn::cpu {
namespace {

constexpr int kTileValues4 = 18;  // of a tile and row: six transformed values of three channels

// The 4 x 4 squares of four vectors, columns for rows.
template <int... I>
TRTMTCNN_INLINE void transpose_squares(const Vector* rows, Vector* columns, Lanes<I...>) {
  const auto low = [](Vector a, Vector b) __attribute__((always_inline)) {
    return shuffle<(I / 4 * 4 + I % 4 / 2 + I % 2 * kLanes)...>(a, b);
  };
  const auto high = [](Vector a, Vector b) __attribute__((always_inline)) {
    return shuffle<(I / 4 * 4 + 2 + I % 4 / 2 + I % 2 * kLanes)...>(a, b);
  };
  const Vector even = low(rows[0], rows[2]), odd = low(rows[1], rows[3]);
  const Vector even2 = high(rows[0], rows[2]), odd2 = high(rows[1], rows[3]);
  columns[0] = low(even, odd);
  columns[1] = high(even, odd);
  columns[2] = low(even2, odd2);
  columns[3] = high(even2, odd2);
}

typedef float Quad __attribute__((vector_size(16)));
typedef float UnalignedQuad __attribute__((vector_size(16), aligned(4), may_alias));

template <class V, int... I>
TRTMTCNN_INLINE auto joined(V a, V b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, I...);
}

// Four values from each of N places.
template <int N = kLanes / 4>
TRTMTCNN_INLINE auto gather_quads(const float* from, ptrdiff_t apart) {
  if constexpr (N == 1)
    return Quad(*reinterpret_cast<const UnalignedQuad*>(from));
  else
    return joined(gather_quads<N / 2>(from, apart), gather_quads<N / 2>(from + N / 2 * apart, apart),
                  typename MakeLanes<4 * N>::Type{});
}

template <int I>
TRTMTCNN_INLINE Quad quad_of(Vector v) {
  return __builtin_shufflevector(v, v, 4 * I, 4 * I + 1, 4 * I + 2, 4 * I + 3);
}

// The N quads from I on.
template <int I = 0, int N = kLanes / 4>
TRTMTCNN_INLINE void scatter_quads(Vector v, float* to, ptrdiff_t apart) {
  *reinterpret_cast<UnalignedQuad*>(to) = quad_of<I>(v);
  if constexpr (N > 1) scatter_quads<I + 1, N - 1>(v, to + apart, apart);
}

template <int... I>
TRTMTCNN_INLINE Vector next_lanes(Vector v, Vector next, Lanes<I...>) {
  return shuffle<(I + 1)...>(v, next);
}

// `n` values and zeros behind them as `N` vectors. Reads whole vectors.
template <int N>
TRTMTCNN_INLINE void copy_with_zeros(const float* from, int n, float* to) {
#pragma GCC unroll 1
  for (int i = 0; i < N; ++i) {
    const int left = n - i * kLanes;
    store(to + i * kLanes, left <= 0 ? Vector{} : select(first_lanes(left), load(from + i * kLanes), Vector{}));
  }
}

// n pixels (n, 3), of which n - 2 are convolved, to vectors of tiles: for each of them 18 vectors, 3 * value + channel.
// Reads less than a vector more.
inline void transform_columns(const float* pixels, int n, float* out) {
  constexpr int kPixels = 4 * kLanes, kLast = ceil_div(3 * (kPixels + 2), kLanes);
  const int groups = ceil_div(n - 2, kPixels);
  // The last tiles with zeros behind the row: what comes out must not depend on what lies there.
  alignas(64) float last[kLast * kLanes];
  const int whole = 3 * kPixels * (groups - 1);
  copy_with_zeros<kLast>(pixels + whole, 3 * n - whole, last);
  for (int g = 0; g < groups; ++g) {
    const float* in = g + 1 < groups ? pixels + static_cast<ptrdiff_t>(3 * kPixels) * g : last;
    float* to = out + static_cast<ptrdiff_t>(kTileValues4 * kLanes) * g;
    Vector columns[12];  // 3 * pixel + channel of each tile
#pragma GCC unroll 3
    for (int q = 0; q < 3; ++q) {
      Vector rows[4];
#pragma GCC unroll 4
      for (int t = 0; t < 4; ++t) rows[t] = gather_quads(in + 12 * t + 4 * q, 48);
      transpose_squares(rows, columns + 4 * q, AllLanes{});
    }
#pragma GCC unroll 3
    for (int c = 0; c < 3; ++c) {
      Vector d[6], v[6];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) d[i] = columns[3 * i + c];
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i)  // the next tile's
        d[4 + i] = next_lanes(d[i], splat(in[3 * kPixels + 3 * i + c]), AllLanes{});
      F4x3::input(d, v);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) store(to + (3 * i + c) * kLanes, v[i]);
    }
  }
}

// The lower halves of two vectors, or the upper ones.
template <int... I>
TRTMTCNN_INLINE Vector lower_halves(Vector a, Vector b, Lanes<I...>) {
  return shuffle<(I < kLanes / 2 ? I : I + kLanes / 2)...>(a, b);
}
template <int... I>
TRTMTCNN_INLINE Vector upper_halves(Vector a, Vector b, Lanes<I...>) {
  return shuffle<(I < kLanes / 2 ? I + kLanes / 2 : I + kLanes)...>(a, b);
}

// The lower half from one place, the upper one from another.
TRTMTCNN_INLINE Vector load_halves(const float* low, const float* high) {
  constexpr int kQuads = kLanes >= 8 ? kLanes / 8 : 1;
  return joined(gather_quads<kQuads>(low, 4), gather_quads<kQuads>(high, 4), AllLanes{});
}

// The smallest value where a tile has no pixel `column` of the n that are left, the largest elsewhere.
TRTMTCNN_INLINE float window_limit(int n, int tile, int column) {
  return 4 * tile + column < n ? __builtin_inff() : -__builtin_inff();
}
TRTMTCNN_INLINE Vector window_limits(int n, int column) {
  Vector limits;
  for (int i = 0; i < kLanes; ++i) limits[i] = window_limit(n, i, column);
  return limits;
}

// pnet_first_layer_tiles() of the last n pixels of a row, which fill at most half of a vector with their tiles: the
// other half takes their second row.
template <int O, int S>
TRTMTCNN_INLINE void pnet_last_tiles(const float* const (&from)[4], int count, int n, const PackedConv& conv,
                                     float* out) {
  constexpr int kHalf = kLanes / 2;
  Vector sums[O][6];
  const float* weights = conv.transformed;
#pragma GCC unroll 1
  for (int i = 0; i < 6; ++i) {
    Vector s[O];
#pragma GCC unroll 16
    for (int k = 0; k < O; ++k) s[k] = splat(weights[k]);
    weights += O;
#pragma GCC unroll 1
    for (int c = 0; c < 3; ++c) {
      const ptrdiff_t value = (3 * i + c) * kLanes;
      Vector in[3];
#pragma GCC unroll 3
      for (int y = 0; y < 3; ++y) in[y] = load_halves(from[y] + value, from[y + 1] + value);
#pragma GCC unroll 3
      for (int y = 0; y < 3; ++y)
#pragma GCC unroll 16
        for (int k = 0; k < O; ++k) s[k] += splat(weights[y * O + k]) * in[y];
      weights += 3 * O;
    }
#pragma GCC unroll 16
    for (int k = 0; k < O; ++k) sums[k][i] = s[k];
  }
  Vector limits;
  for (int i = 0; i < kLanes; ++i) limits[i] = window_limit(n, i % kHalf, 1 + i / kHalf * 2);
  const float none = kLessOne ? -1.0f : 0.0f;  // a slope of zero
  Vector pooled[12];
  pooled[10] = pooled[11] = Vector{};
#pragma GCC unroll 1
  for (int k = 0; k < O; ++k) {
    Vector pixels[4];
    F4x3::output(sums[k], pixels);
    const Vector slope = splat(conv.slope[k]);
    if (conv.slope[k] < none)
      for (Vector& v : pixels) v = prelu(v, slope);
    // Of each half the first window, then the second.
    Vector left = lower_halves(pixels[0], pixels[2], AllLanes{});
    Vector right = lower_halves(pixels[1], pixels[3], AllLanes{});
    if (count == 2) {
      left = maximum(left, upper_halves(pixels[0], pixels[2], AllLanes{}));
      right = maximum(right, upper_halves(pixels[1], pixels[3], AllLanes{}));
    }
    const Vector most = maximum(left, minimum(right, limits));
    pooled[k] = conv.slope[k] < none ? most : prelu(most, slope);
  }
#pragma GCC unroll 1
  for (int q = 0; q < 12; q += 4) {
    Vector values[4];
    transpose_squares(pooled + q, values, AllLanes{});
#pragma GCC unroll 4
    for (int t = 0; t < 4; ++t) {
      scatter_quads<0, kLanes / 8>(values[t], out + t * 2 * S + q, 8 * S);
      scatter_quads<kLanes / 8, kLanes / 8>(values[t], out + (t * 2 + 1) * S + q, 8 * S);
    }
  }
}

// `count` rows, two or one, of n pixels, and their windows' maxima, (n + 1) / 2 pixels of S values, of which twelve are
// written. `rows`: count + 2 rows of transformed columns. The weights are F(4, 3)'s along kernel rows, for each value
// of the transform what its sums begin with, then [input channel][kernel row], of all O each.
template <int O, int S>
void pnet_first_layer_tiles(const float* const* rows, int count, int n, const PackedConv& conv, float* out) {
  static_assert(O == 10 && S >= 12);
  constexpr int kAtOnce = kSums >= 24 ? O : O / 2;  // channels: two sums each, beside four inputs and a weight
  const float* const from[4] = {rows[0], rows[1], rows[2], rows[count + 1]};
  const int second = count - 1;  // the row that windows have below their first
  const float* slopes = conv.slope;
  const float infinity = __builtin_inff(), none = kLessOne ? -1.0f : 0.0f;  // a slope of zero
  for (int begin = 0; begin < n; begin += 4 * kLanes) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(begin) / 4 * kTileValues4;
    if constexpr (kLanes >= 8) {
      if (n - begin <= 2 * kLanes) {
        const float* const left[4] = {from[0] + at, from[1] + at, from[2] + at, from[3] + at};
        return pnet_last_tiles<O, S>(left, count, n - begin, conv, out + static_cast<ptrdiff_t>(begin) / 2 * S);
      }
    }
    Vector sums[2][O][6];
#pragma GCC unroll 1
    for (int o = 0; o < O; o += kAtOnce) {
      const float* weights = conv.transformed + o;
#pragma GCC unroll 1
      for (int i = 0; i < 6; ++i) {
        Vector s[2][kAtOnce];
#pragma GCC unroll 16
        for (int k = 0; k < kAtOnce; ++k) s[0][k] = s[1][k] = splat(weights[k]);
        weights += O;
#pragma GCC unroll 1
        for (int c = 0; c < 3; ++c) {
          Vector in[4];
#pragma GCC unroll 4
          for (int r = 0; r < 4; ++r) in[r] = load(from[r] + at + (3 * i + c) * kLanes);
#pragma GCC unroll 3
          for (int y = 0; y < 3; ++y) {
#pragma GCC unroll 16
            for (int k = 0; k < kAtOnce; ++k) {
              const Vector w = splat(weights[y * O + k]);
              s[0][k] += w * in[y];
              s[1][k] += w * in[y + 1];
            }
          }
          weights += 3 * O;
        }
#pragma GCC unroll 2
        for (int r = 0; r < 2; ++r)
#pragma GCC unroll 16
          for (int k = 0; k < kAtOnce; ++k) sums[r][o + k][i] = s[r][k];
      }
    }
    // The last window of an odd row has one column.
    const bool inside = begin + 4 * kLanes <= n;
    const Vector limits[2] = {inside ? splat(infinity) : window_limits(n - begin, 1),
                              inside ? splat(infinity) : window_limits(n - begin, 3)};
    Vector pooled[2][12];
    for (int w = 0; w < 2; ++w) pooled[w][10] = pooled[w][11] = Vector{};
#pragma GCC unroll 1
    for (int k = 0; k < O; ++k) {
      Vector pixels[2][4];
      F4x3::output(sums[0][k], pixels[0]);
      F4x3::output(sums[second][k], pixels[1]);
      const Vector slope = splat(slopes[k]);
      if (slopes[k] < none)
        for (auto& row : pixels)
          for (Vector& v : row) v = prelu(v, slope);
#pragma GCC unroll 2
      for (int w = 0; w < 2; ++w) {
        const Vector left = maximum(pixels[0][2 * w], pixels[1][2 * w]);
        const Vector right = minimum(maximum(pixels[0][2 * w + 1], pixels[1][2 * w + 1]), limits[w]);
        const Vector most = maximum(left, right);
        pooled[w][k] = slopes[k] < none ? most : prelu(most, slope);  // the larger of two stays so
      }
    }
#pragma GCC unroll 1
    for (int w = 0; w < 2; ++w) {
      float* to = out + (static_cast<ptrdiff_t>(begin) / 2 + w) * S;
#pragma GCC unroll 1
      for (int q = 0; q < 12; q += 4) {
        Vector values[4];
        transpose_squares(pooled[w] + q, values, AllLanes{});
#pragma GCC unroll 4
        for (int t = 0; t < 4; ++t) scatter_quads(values[t], to + t * 2 * S + q, 8 * S);
      }
    }
  }
}

}  // namespace
}  // namespace trtmtcnn::cpu

#endif
