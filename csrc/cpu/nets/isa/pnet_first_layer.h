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

// Of `from`, six vectors, every sixth value from `Offset`; Next: the vector to blend in.
template <int Offset, int Next, int... I>
TRTMTCNN_INLINE Vector every_sixth(const Vector* from, Vector have, Lanes<I...> lanes) {
  // Lane I takes value 6 I + Offset, once its vector's turn has come.
  have = shuffle<((6 * I + Offset) / kLanes == Next ? kLanes + (6 * I + Offset) % kLanes : I)...>(have, from[Next]);
  if constexpr (Next < 5)
    return every_sixth<Offset, Next + 1>(from, have, lanes);
  else
    return have;
}

template <int Plane>
TRTMTCNN_INLINE void store_planes(const Vector* from, Scalar* out, int64_t plane) {
  store(out + Plane * plane, every_sixth<Plane, 0>(from, Vector{}, AllLanes{}));
  if constexpr (Plane < 5) store_planes<Plane + 1>(from, out, plane);
}

#ifndef TRTMTCNN_PNET_TILES
// n pixels (n, 3) to planes: 3 * (odd column) + channel.
inline void split_columns(const float* pixels, int n, Scalar* out) {
  const int64_t plane = pnet_plane(n);
#ifdef __aarch64__
  for (int column = 0; 2 * column < n; column += kLanes) {
    const float* in = pixels + static_cast<ptrdiff_t>(6) * column;
    const float32x4x3_t a = vld3q_f32(in), b = vld3q_f32(in + 12), c = vld3q_f32(in + 24), d = vld3q_f32(in + 36);
#pragma GCC unroll 3
    for (int k = 0; k < 3; ++k) {
      const float16x8_t first = vcvt_high_f16_f32(vcvt_f16_f32(a.val[k]), b.val[k]);
      const float16x8_t second = vcvt_high_f16_f32(vcvt_f16_f32(c.val[k]), d.val[k]);
      store(out + k * plane + column, (Vector)vuzp1q_f16(first, second));
      store(out + (3 + k) * plane + column, (Vector)vuzp2q_f16(first, second));
    }
  }
#else
  for (int column = 0; 2 * column < n; column += kLanes) {
    Vector from[6];
    for (int i = 0; i < 6; ++i) from[i] = load_floats(pixels + static_cast<ptrdiff_t>(6) * column + i * kLanes);
    store_planes<0>(from, out + column, plane);
  }
#endif
}

#endif

template <int... I>
TRTMTCNN_INLINE void interleave(Vector a, Vector b, Vector* out, Lanes<I...>) {
  out[0] = shuffle<(I % 2 * kLanes + I / 2)...>(a, b);
  out[1] = shuffle<(I % 2 * kLanes + kLanes / 2 + I / 2)...>(a, b);
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
  return select(whole, maximum(left, right), left);
}

#endif

#if defined(__aarch64__) && defined(TRTMTCNN_FLOAT16)
// Four channels at a time, whose weights are lanes of a vector, from Lane on: sixteen sums, as many as four units with
// a latency of four cycles work on. `weights`: those of the first input channel.
template <int Lane>
TRTMTCNN_INLINE void first_layer_sums(const Scalar* const* from, int64_t plane, const Scalar* weights,
                                      Vector (&sums)[2][2][4]) {
#pragma GCC unroll 1
  for (int c = 0; c < 3; ++c) {
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) {
      const Vector w = load(weights + (3 * i + c) * kLanes);
#pragma GCC unroll 2
      for (int r = 0; r < 2; ++r) {
        Vector in[2];
#pragma GCC unroll 2
        for (int p = 0; p < 2; ++p) {
          const int column = i % 3 + p;
          in[p] = load(from[i / 3 + r] + (column % 2 * 3 + c) * plane + column / 2);
        }
        add_four_lanes<Lane>(sums[r], in, w);
      }
    }
  }
}

// Two channels of two vectors of windows: as many sums, where no four channels are left.
TRTMTCNN_INLINE void first_layer_last_sums(const Scalar* const* from, int64_t plane, const Scalar* weights,
                                           Vector (&sums)[2][2][2][2]) {
#pragma GCC unroll 1
  for (int c = 0; c < 3; ++c) {
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) {
      const Vector w = load(weights + (3 * i + c) * kLanes);
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const int column = i % 3 + p % 2;
        const Scalar* at = from[i / 3 + p / 2] + (column % 2 * 3 + c) * plane + column / 2;
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          const Vector in = load(at + h * kLanes);
          sums[h][0][p / 2][p % 2] = add_lane<0>(sums[h][0][p / 2][p % 2], in, w);
          sums[h][1][p / 2][p % 2] = add_lane<1>(sums[h][1][p / 2][p % 2], in, w);
        }
      }
    }
  }
}
#endif

// Pixels of S values, `Apart` pixels apart, for vectors of their values.
template <int S, int Apart = 1>
TRTMTCNN_INLINE void store_pixels(const Vector (&values)[S], Scalar* out) {
  for (int c = 0; c < S; c += kLanes) {
    Vector block[kLanes];
#pragma GCC unroll 32
    for (int i = 0; i < kLanes; ++i) block[i] = values[c + i];
    transpose(block);
#pragma GCC unroll 32
    for (int i = 0; i < kLanes; ++i) store(out + static_cast<ptrdiff_t>(i) * Apart * S + c, block[i]);
  }
}

#ifndef TRTMTCNN_PNET_TILES
// `count` rows, two or one, of n pixels, and their windows' maxima, (n + 1) / 2 pixels of S values. `rows`: count + 2
// rows of planes, of n + 2 columns.
template <int O, int S>
void pnet_first_layer(const Scalar* const* rows, int count, int n, const PackedConv& conv, Scalar* out) {
  static_assert(O % 2 == 0 && S % kLanes == 0);
  const int64_t plane = pnet_plane(n + 2);
  const Scalar* const from[4] = {rows[0], rows[1], rows[2], rows[count + 1]};
  const auto* weights = static_cast<const Scalar*>(conv.weights);
  const Scalar *bias = scalars(conv.bias), *slope = scalars(conv.slope);
#ifdef __aarch64__
  static_assert(O % 4 == 2 && O / 4 * 4 % kLanes == 0);
  for (int begin = 0; 2 * begin < n; begin += 2 * kLanes) {  // two vectors of windows
    Vector pooled[2][S];
    Mask whole[2];  // the last window of an odd row has one column
    for (int h = 0; h < 2; ++h) {
      whole[h] = first_lanes(n / 2 - begin - h * kLanes);
      for (int o = O; o < S; ++o) pooled[h][o] = Vector{};
    }
    const Scalar* const at[4] = {from[0] + begin, from[1] + begin, from[2] + begin, from[3] + begin};
#pragma GCC unroll 1
    for (int h = 0; h < 2; ++h) {
      const Scalar* const half[4] = {at[0] + h * kLanes, at[1] + h * kLanes, at[2] + h * kLanes, at[3] + h * kLanes};
#pragma GCC unroll 1
      for (int o = 0; o + 4 <= O; o += 4) {
        Vector sums[2][2][4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k)
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) sums[i / 2][i % 2][k] = splat(bias[o + k]);
        const Scalar* of = weights + o / kLanes * (27 * kLanes);
        if (o % kLanes == 0)
          first_layer_sums<0>(half, plane, of, sums);
        else
          first_layer_sums<4 % kLanes>(half, plane, of, sums);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
          const Vector window[2][2] = {{sums[0][0][k], sums[0][1][k]}, {sums[1][0][k], sums[1][1][k]}};
          pooled[h][o + k] = window_maximum(window, splat(slope[o + k]), count, whole[h]);
        }
      }
    }
    constexpr int kLast = O / 4 * 4;
    Vector sums[2][2][2][2];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) sums[i / 8][i / 4 % 2][i / 2 % 2][i % 2] = splat(bias[kLast + i / 4 % 2]);
    first_layer_last_sums(at, plane, weights + kLast * 27, sums);  // the first lanes of a vector
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
      pooled[i / 2][kLast + i % 2] =
          window_maximum(sums[i / 2][i % 2], splat(slope[kLast + i % 2]), count, whole[i / 2]);
    store_pixels<S>(pooled[0], out + static_cast<ptrdiff_t>(begin) * S);
    if (2 * (begin + kLanes) < n) store_pixels<S>(pooled[1], out + static_cast<ptrdiff_t>(begin + kLanes) * S);
  }
#else
  for (int begin = 0; 2 * begin < n; begin += kLanes) {
    const Mask whole = first_lanes(n / 2 - begin);  // the last window of an odd row has one column
    Vector pooled[S];
    for (int o = O; o < S; ++o) pooled[o] = Vector{};
#pragma GCC unroll 1
    for (int o = 0; o < O; o += 2) {
      Vector sums[2][2][2];
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) sums[k][i / 2][i % 2] = splat(bias[o + k]);
#pragma GCC unroll 1
      for (int c = 0; c < 3; ++c) {
        Vector in[4][4];
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) in[i / 4][i % 4] = load(from[i / 4] + (i % 2 * 3 + c) * plane + begin + i % 4 / 2);
        // [vector of channels][kernel row][kernel column][input channel][lane]
        const Scalar* w = weights + (o / kLanes * 27 + c) * kLanes + o % kLanes;
#pragma GCC unroll 9
        for (int i = 0; i < 9; ++i)
#pragma GCC unroll 2
          for (int k = 0; k < 2; ++k) {  // eight sums in turn: none waits for itself
            const Scalar weight = w[3 * i * kLanes + k];
#pragma GCC unroll 4
            for (int p = 0; p < 4; ++p) add_product(sums[k][p / 2][p % 2], in[p / 2 + i / 3][p % 2 + i % 3], weight);
          }
      }
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        const Vector s = splat(slope[o + k]);
        Vector left = prelu(sums[k][0][0], s), right = prelu(sums[k][0][1], s);
        if (count == 2) {
          left = maximum(left, prelu(sums[k][1][0], s));
          right = maximum(right, prelu(sums[k][1][1], s));
        }
        pooled[o + k] = select(whole, maximum(left, right), left);
      }
    }
    store_pixels<S>(pooled, out + static_cast<ptrdiff_t>(begin) * S);
  }
#endif
}
#endif

}  // namespace
}  // namespace trtmtcnn::cpu
