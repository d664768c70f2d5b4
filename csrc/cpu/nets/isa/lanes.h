// Products of weights with the lanes of a vector of inputs, where the instruction set multiplies by a lane: one load
// brings four inputs instead of one.
#pragma once

#include "cpu/nets/isa/vectors.h"

#ifdef __aarch64__
#include <arm_neon.h>

namespace trtmtcnn::cpu {
namespace {

template <int L>
TRTMTCNN_INLINE Vector add_lane(Vector sum, Vector w, Vector in) {
  return (Vector)vfmaq_laneq_f32((float32x4_t)sum, (float32x4_t)w, (float32x4_t)in, L);
}

template <int L>
TRTMTCNN_INLINE Vector subtract_lane(Vector sum, Vector w, Vector in) {
  return (Vector)vfmsq_laneq_f32((float32x4_t)sum, (float32x4_t)w, (float32x4_t)in, L);
}

template <int L>
TRTMTCNN_INLINE Vector times_lane(Vector w, Vector in) {
  return (Vector)vmulq_laneq_f32((float32x4_t)w, (float32x4_t)in, L);
}

// Lanes [L, N) of each pixel's inputs; `apart`: floats from one vector's weights to the next one's.
template <int N, int L = 0, int P, int V>
TRTMTCNN_INLINE void add_lanes(Vector (&sums)[P][V], const Vector (&in)[P], const float* weights, ptrdiff_t apart) {
  Vector w[V];
#pragma GCC unroll 32
  for (int v = 0; v < V; ++v) w[v] = load(weights + v * apart + L * kLanes);
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
    for (int v = 0; v < V; ++v) sums[p][v] = add_lane<L>(sums[p][v], w[v], in[p]);
  if constexpr (L + 1 < N) add_lanes<N, L + 1>(sums, in, weights, apart);
}

// N inputs a pixel, `stride` apart from pixel to pixel, and their weights, a vector each.
template <int N, int P, int V>
TRTMTCNN_INLINE void add_products(Vector (&sums)[P][V], const float* in, ptrdiff_t stride, const float* weights,
                                  ptrdiff_t apart) {
  static_assert(kLanes == 4);
#pragma GCC unroll 1
  for (int n = 0; n < N / 4; ++n) {
    Vector x[P];
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) x[p] = load(in + p * stride);
    add_lanes<4>(sums, x, weights, apart);
    in += 4;
    weights += 4 * kLanes;
  }
  if constexpr (N % 4 > 0) {
    Vector x[P];
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) x[p] = load(in + p * stride);
    add_lanes<N % 4>(sums, x, weights, apart);
  }
}

}  // namespace
}  // namespace trtmtcnn::cpu
#endif
