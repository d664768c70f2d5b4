// Products of weights with the lanes of a vector of inputs, where the instruction set multiplies by a lane: one load
// brings four inputs instead of one.
#pragma once

#include "cpu/nets/isa/vectors.h"

#ifdef __aarch64__
#define TRTMTCNN_LANES
#ifndef TRTMTCNN_FLOAT16
#define TRTMTCNN_PNET_TILES  // of Winograd's in P-Net's first layer, for which float16 is too coarse
#endif
#include <arm_neon.h>

namespace trtmtcnn::cpu {
namespace {

#ifdef TRTMTCNN_FLOAT16
// As assembly: of a lane that is used more than once GCC makes a vector first.
template <int L>
TRTMTCNN_INLINE Vector add_lane(Vector sum, Vector w, Vector in) {
  asm("fmla %0.8h, %1.8h, %2.h[%c3]" : "+w"(sum) : "w"(w), "x"(in), "i"(L));
  return sum;
}

template <int L>
TRTMTCNN_INLINE Vector subtract_lane(Vector sum, Vector w, Vector in) {
  asm("fmls %0.8h, %1.8h, %2.h[%c3]" : "+w"(sum) : "w"(w), "x"(in), "i"(L));
  return sum;
}

template <int L>
TRTMTCNN_INLINE Vector times_lane(Vector w, Vector in) {
  Vector product;
  asm("fmul %0.8h, %1.8h, %2.h[%c3]" : "=w"(product) : "w"(w), "x"(in), "i"(L));
  return product;
}

// Two vectors of inputs, times four lanes of the weights from L on. In one piece: those are the registers that lanes
// are multiplied from, of which there are 16, and GCC would fill them with sums and copy the weights before each
// product.
template <int L>
TRTMTCNN_INLINE void add_four_lanes(Vector (&sums)[2][4], const Vector (&in)[2], Vector w) {
  asm("fmla %0.8h, %8.8h, %10.h[%c11]\n\t"
      "fmla %1.8h, %8.8h, %10.h[%c12]\n\t"
      "fmla %2.8h, %8.8h, %10.h[%c13]\n\t"
      "fmla %3.8h, %8.8h, %10.h[%c14]\n\t"
      "fmla %4.8h, %9.8h, %10.h[%c11]\n\t"
      "fmla %5.8h, %9.8h, %10.h[%c12]\n\t"
      "fmla %6.8h, %9.8h, %10.h[%c13]\n\t"
      "fmla %7.8h, %9.8h, %10.h[%c14]"
      : "+&w"(sums[0][0]), "+&w"(sums[0][1]), "+&w"(sums[0][2]), "+&w"(sums[0][3]), "+&w"(sums[1][0]),
        "+&w"(sums[1][1]), "+&w"(sums[1][2]), "+&w"(sums[1][3])
      : "w"(in[0]), "w"(in[1]), "x"(w), "i"(L), "i"(L + 1), "i"(L + 2), "i"(L + 3));
}
#else
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
#endif

// Lanes [L, N) of each pixel's inputs; `apart`: values from one vector's weights to the next one's. Begins: the first
// lane's products are the sums so far.
template <int N, bool Begins = false, int L = 0, int P, int V>
TRTMTCNN_INLINE void add_lanes(Vector (&sums)[P][V], const Vector (&in)[P], const Scalar* weights, ptrdiff_t apart) {
  Vector w[V];
#pragma GCC unroll 32
  for (int v = 0; v < V; ++v) w[v] = load(weights + v * apart + L * kLanes);
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
    for (int v = 0; v < V; ++v) sums[p][v] = Begins ? times_lane<L>(w[v], in[p]) : add_lane<L>(sums[p][v], w[v], in[p]);
  if constexpr (L + 1 < N) add_lanes<N, false, L + 1>(sums, in, weights, apart);
}

// In a loop, lest GCC move what is loaded from there out of it and, as no register is left, store it.
TRTMTCNN_INLINE const Scalar* in_each_round(const Scalar* p) {
  asm("" : "+r"(p));
  return p;
}

// As many inputs as are taken without a loop: what follows need not wait for its end.
constexpr int kUnrolled = 4 * kLanes;

// N inputs a pixel, `stride` apart from pixel to pixel, and their weights, a vector each.
template <int N, bool Begins = false, int P, int V>
TRTMTCNN_INLINE void add_products(Vector (&sums)[P][V], const Scalar* in, ptrdiff_t stride, const Scalar* weights,
                                  ptrdiff_t apart) {
  if constexpr (Begins || N <= kUnrolled) {
    constexpr int kFirst = N < kLanes ? N : kLanes;
    Vector x[P];
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) x[p] = load(in + p * stride);
    add_lanes<kFirst, Begins>(sums, x, weights, apart);
    if constexpr (N > kFirst) add_products<N - kFirst>(sums, in + kFirst, stride, weights + kFirst * kLanes, apart);
    return;
  }
#pragma GCC unroll 1
  for (int n = 0; n < N / kLanes; ++n) {
    Vector x[P];
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) x[p] = load(in + p * stride);
    add_lanes<kLanes>(sums, x, weights, apart);
    in += kLanes;
    weights += kLanes * kLanes;
  }
  if constexpr (N % kLanes > 0) {
    Vector x[P];
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) x[p] = load(in + p * stride);
    add_lanes<N % kLanes>(sums, x, weights, apart);
  }
}

}  // namespace
}  // namespace trtmtcnn::cpu
#else

namespace trtmtcnn::cpu {
namespace {

#ifdef TRTMTCNN_FLOAT16
#define TRTMTCNN_LANES
template <int L>
TRTMTCNN_INLINE Vector add_lane(Vector sum, Vector w, Vector in) {
  return {rounded(sum.v + w.v * in.v[L])};
}

template <int L>
TRTMTCNN_INLINE Vector subtract_lane(Vector sum, Vector w, Vector in) {
  return {rounded(sum.v - w.v * in.v[L])};
}

template <int L>
TRTMTCNN_INLINE Vector times_lane(Vector w, Vector in) {
  return {rounded(w.v * in.v[L])};
}
#endif

template <int N, bool Begins = false, int P, int V>
TRTMTCNN_INLINE void add_products(Vector (&sums)[P][V], const Scalar* in, ptrdiff_t stride, const Scalar* weights,
                                  ptrdiff_t apart) {
  if constexpr (Begins)
    for (auto& pixel : sums)
      for (Vector& sum : pixel) sum = Vector{};
#pragma GCC unroll 1
  for (int n = 0; n < N; ++n, ++in, weights += kLanes) {
    Vector w[V];
#pragma GCC unroll 32
    for (int v = 0; v < V; ++v) w[v] = load(weights + v * apart);
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
      for (int v = 0; v < V; ++v) add_product(sums[p][v], w[v], in[p * stride]);
  }
}

}  // namespace
}  // namespace trtmtcnn::cpu
#endif
