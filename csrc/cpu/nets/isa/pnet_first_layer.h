// The first layer of P-Net: a 3 x 3 convolution of three channels to ten, and the maxima of its 2 x 2 windows. Ten
// channels fill no vector, so here windows lie across vectors: a row of pixels is six planes, each channel's even and
// odd columns.
#pragma once

#include "cpu/nets/isa/lanes.h"
#include "cpu/nets/isa/vectors.h"
#include "cpu/nets/net_kernels.h"

namespace trtmtcnn::cpu {
namespace {

template <int... I>
struct Lanes {};
template <int N, int... I>
struct MakeLanes : MakeLanes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeLanes<0, I...> {
  using Type = Lanes<I...>;
};
using AllLanes = MakeLanes<kLanes>::Type;

typedef int32_t Mask __attribute__((vector_size(4 * kLanes)));

// Of `from`, six vectors, every sixth value from `Offset`; Next: the vector to blend in.
template <int Offset, int Next, int... I>
TRTMTCNN_INLINE Vector every_sixth(const Vector* from, Vector have, Lanes<I...> lanes) {
  // Lane I takes value 6 I + Offset, once its vector's turn has come.
  have = __builtin_shufflevector(have, from[Next],
                                 ((6 * I + Offset) / kLanes == Next ? kLanes + (6 * I + Offset) % kLanes : I)...);
  if constexpr (Next < 5)
    return every_sixth<Offset, Next + 1>(from, have, lanes);
  else
    return have;
}

template <int Plane>
TRTMTCNN_INLINE void store_planes(const Vector* from, float* out, int64_t plane) {
  store(out + Plane * plane, every_sixth<Plane, 0>(from, Vector{}, AllLanes{}));
  if constexpr (Plane < 5) store_planes<Plane + 1>(from, out, plane);
}

// n pixels (n, 3) to planes: 3 * (odd column) + channel.
inline void split_columns(const float* pixels, int n, float* out) {
  const int64_t plane = pnet_plane(n);
  for (int column = 0; 2 * column < n; column += kLanes) {
    Vector from[6];
    for (int i = 0; i < 6; ++i) from[i] = load(pixels + static_cast<ptrdiff_t>(6) * column + i * kLanes);
    store_planes<0>(from, out + column, plane);
  }
}

template <int... I>
TRTMTCNN_INLINE void interleave(Vector a, Vector b, Vector* out, Lanes<I...>) {
  out[0] = __builtin_shufflevector(a, b, (I % 2 * kLanes + I / 2)...);
  out[1] = __builtin_shufflevector(a, b, (I % 2 * kLanes + kLanes / 2 + I / 2)...);
}

// Rows for columns of a square.
TRTMTCNN_INLINE void transpose(Vector (&rows)[kLanes]) {
#pragma GCC unroll 8
  for (int round = 1; round < kLanes; round *= 2) {
    Vector next[kLanes];
#pragma GCC unroll 32
    for (int i = 0; i < kLanes / 2; ++i) interleave(rows[i], rows[i + kLanes / 2], next + 2 * i, AllLanes{});
#pragma GCC unroll 32
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

#ifdef __aarch64__
// The windows' maxima of one channel; `whole`: lanes whose windows have a second column.
TRTMTCNN_INLINE Vector window_maximum(const Vector (&sums)[2][2], Vector slope, int count, Mask whole) {
  Vector left = prelu(sums[0][0], slope), right = prelu(sums[0][1], slope);
  if (count == 2) {
    left = maximum(left, prelu(sums[1][0], slope));
    right = maximum(right, prelu(sums[1][1], slope));
  }
  return whole ? maximum(left, right) : left;
}

// Four channels at a time, whose weights are lanes of a vector: sixteen sums, as many as four units with a latency of
// four cycles work on. `weights`: those of the first input channel.
TRTMTCNN_INLINE void first_layer_sums(const float* const* from, int64_t plane, const float* weights,
                                      Vector (&sums)[4][2][2]) {
#pragma GCC unroll 1
  for (int c = 0; c < 3; ++c) {
    Vector w[9];
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) w[i] = load(weights + (3 * i + c) * kLanes);
#pragma GCC unroll 16
    for (int k = 0; k < 16; ++k) {
      const int row = k / 4, column = k % 4;
      const Vector in = load(from[row] + (column % 2 * 3 + c) * plane + column / 2);
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const int y = row - p / 2, x = column - p % 2;
        if (y < 0 || y > 2 || x < 0 || x > 2) continue;
        sums[0][p / 2][p % 2] = add_lane<0>(sums[0][p / 2][p % 2], in, w[3 * y + x]);
        sums[1][p / 2][p % 2] = add_lane<1>(sums[1][p / 2][p % 2], in, w[3 * y + x]);
        sums[2][p / 2][p % 2] = add_lane<2>(sums[2][p / 2][p % 2], in, w[3 * y + x]);
        sums[3][p / 2][p % 2] = add_lane<3>(sums[3][p / 2][p % 2], in, w[3 * y + x]);
      }
    }
  }
}

// Two channels of two vectors of windows: as many sums, where no four channels are left.
TRTMTCNN_INLINE void first_layer_last_sums(const float* const* from, int64_t plane, const float* weights,
                                           Vector (&sums)[2][2][2][2]) {
#pragma GCC unroll 1
  for (int c = 0; c < 3; ++c) {
    Vector w[9];
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) w[i] = load(weights + (3 * i + c) * kLanes);
#pragma GCC unroll 16
    for (int k = 0; k < 16; ++k) {
      const int row = k / 4, column = k % 4;
      const float* at = from[row] + (column % 2 * 3 + c) * plane + column / 2;
      const Vector in[2] = {load(at), load(at + kLanes)};
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const int y = row - p / 2, x = column - p % 2;
        if (y < 0 || y > 2 || x < 0 || x > 2) continue;
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          sums[h][0][p / 2][p % 2] = add_lane<0>(sums[h][0][p / 2][p % 2], in[h], w[3 * y + x]);
          sums[h][1][p / 2][p % 2] = add_lane<1>(sums[h][1][p / 2][p % 2], in[h], w[3 * y + x]);
        }
      }
    }
  }
}
#endif

// Pixels of S values for vectors of their values.
template <int S>
TRTMTCNN_INLINE void store_pixels(const Vector (&values)[S], float* out) {
  for (int c = 0; c < S; c += kLanes) {
    Vector block[kLanes];
#pragma GCC unroll 32
    for (int i = 0; i < kLanes; ++i) block[i] = values[c + i];
    transpose(block);
#pragma GCC unroll 32
    for (int i = 0; i < kLanes; ++i) store(out + static_cast<ptrdiff_t>(i) * S + c, block[i]);
  }
}

// `count` rows, two or one, of n pixels, and their windows' maxima, (n + 1) / 2 pixels of S values. `rows`: count + 2
// rows of planes, of n + 2 columns.
template <int O, int S>
void pnet_first_layer(const float* const* rows, int count, int n, const PackedConv& conv, float* out) {
  static_assert(O % 2 == 0 && S % kLanes == 0);
  const int64_t plane = pnet_plane(n + 2);
  const float* const from[4] = {rows[0], rows[1], rows[2], rows[count + 1]};
  const auto* weights = static_cast<const float*>(conv.weights);
  Mask lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
#ifdef __aarch64__
  static_assert(O % 4 == 2);
  for (int begin = 0; 2 * begin < n; begin += 2 * kLanes) {  // two vectors of windows
    Vector pooled[2][S];
    Mask whole[2];  // the last window of an odd row has one column
    for (int h = 0; h < 2; ++h) {
      whole[h] = lane < n / 2 - begin - h * kLanes;
      for (int o = O; o < S; ++o) pooled[h][o] = Vector{};
    }
    const float* const at[4] = {from[0] + begin, from[1] + begin, from[2] + begin, from[3] + begin};
#pragma GCC unroll 1
    for (int h = 0; h < 2; ++h) {
      const float* const half[4] = {at[0] + h * kLanes, at[1] + h * kLanes, at[2] + h * kLanes, at[3] + h * kLanes};
#pragma GCC unroll 1
      for (int o = 0; o + 4 <= O; o += 4) {
        Vector sums[4][2][2];
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k)
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) sums[k][i / 2][i % 2] = Vector{} + conv.bias[o + k];
        first_layer_sums(half, plane, weights + o * 27, sums);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k)
          pooled[h][o + k] = window_maximum(sums[k], Vector{} + conv.slope[o + k], count, whole[h]);
      }
    }
    constexpr int kLast = O / 4 * 4;
    Vector sums[2][2][2][2];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) sums[i / 8][i / 4 % 2][i / 2 % 2][i % 2] = Vector{} + conv.bias[kLast + i / 4 % 2];
    first_layer_last_sums(at, plane, weights + kLast * 27, sums);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
      pooled[i / 2][kLast + i % 2] =
          window_maximum(sums[i / 2][i % 2], Vector{} + conv.slope[kLast + i % 2], count, whole[i / 2]);
    store_pixels<S>(pooled[0], out + static_cast<ptrdiff_t>(begin) * S);
    if (2 * (begin + kLanes) < n) store_pixels<S>(pooled[1], out + static_cast<ptrdiff_t>(begin + kLanes) * S);
  }
#else
  for (int begin = 0; 2 * begin < n; begin += kLanes) {
    const Mask whole = lane < n / 2 - begin;  // the last window of an odd row has one column
    Vector pooled[S];
    for (int o = O; o < S; ++o) pooled[o] = Vector{};
#pragma GCC unroll 1
    for (int o = 0; o < O; o += 2) {
      Vector sums[2][2][2];
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) sums[k][i / 2][i % 2] = Vector{} + conv.bias[o + k];
#pragma GCC unroll 1
      for (int c = 0; c < 3; ++c) {
        Vector in[4][4];
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) in[i / 4][i % 4] = load(from[i / 4] + (i % 2 * 3 + c) * plane + begin + i % 4 / 2);
        // [vector of channels][kernel row][kernel column][input channel][lane]
        const float* w = weights + (o / kLanes * 27 + c) * kLanes + o % kLanes;
#pragma GCC unroll 9
        for (int i = 0; i < 9; ++i)
#pragma GCC unroll 2
          for (int k = 0; k < 2; ++k) {  // eight sums in turn: none waits for itself
            const float weight = w[3 * i * kLanes + k];
#pragma GCC unroll 4
            for (int p = 0; p < 4; ++p) sums[k][p / 2][p % 2] += weight * in[p / 2 + i / 3][p % 2 + i % 3];
          }
      }
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        const Vector slope = Vector{} + conv.slope[o + k];
        Vector left = prelu(sums[k][0][0], slope), right = prelu(sums[k][0][1], slope);
        if (count == 2) {
          left = maximum(left, prelu(sums[k][1][0], slope));
          right = maximum(right, prelu(sums[k][1][1], slope));
        }
        pooled[o + k] = whole ? maximum(left, right) : left;
      }
    }
    store_pixels<S>(pooled, out + static_cast<ptrdiff_t>(begin) * S);
  }
#endif
}

}  // namespace
}  // namespace trtmtcnn::cpu
