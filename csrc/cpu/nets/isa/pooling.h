// Maxima of windows of W x W pixels, two apart; the last window may be partial.
#pragma once

#include "cpu/nets/isa/vectors.h"

namespace trtmtcnn::cpu {
namespace {

constexpr int pooled_size(int n, int window) { return n < window ? 1 : ceil_div(n - window, 2) + 1; }

// Of the same pixel in R rows.
template <int R>
TRTMTCNN_INLINE Vector column_maximum(const Scalar* const* rows, ptrdiff_t at) {
  Vector most = load(rows[0] + at);
#pragma GCC unroll 4
  for (int r = 1; r < R; ++r) most = maximum(most, load(rows[r] + at));
  return most;
}

// R rows of n pixels (`stride` values apart, O channels in use) to pixels `out_stride` apart.
template <class E, int O, int W, int R>
TRTMTCNN_INLINE void pool_rows(const Scalar* const* rows, int n, int stride, typename E::Value* out, int out_stride) {
  static_assert(W == 2 || W == 3);
  constexpr int kVectors = ceil_div(O, kLanes);
  const int pooled = pooled_size(n, W);
  Vector shared[kVectors];  // windows of three share a column
#pragma GCC unroll 32
  for (int v = 0; v < kVectors; ++v) shared[v] = column_maximum<R>(rows, v * kLanes);
  for (int x = 0; x < pooled; ++x) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(2 * x) * stride;
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) {
      const ptrdiff_t left = at + v * kLanes;
      Vector most = W == 3 ? shared[v] : column_maximum<R>(rows, left);
      if (2 * x + 1 < n) most = maximum(most, column_maximum<R>(rows, left + stride));
      if (W == 3 && 2 * x + 2 < n) {
        shared[v] = column_maximum<R>(rows, left + 2 * stride);
        most = maximum(most, shared[v]);
      }
      E::put(out + static_cast<ptrdiff_t>(x) * out_stride + v * kLanes, most);
    }
  }
}

// Of the first `count` of W rows.
template <class E, int O, int W>
TRTMTCNN_INLINE void pool_row(const Scalar* const* rows, int count, int n, int stride, typename E::Value* out,
                              int out_stride) {
  if (count == W)
    pool_rows<E, O, W, W>(rows, n, stride, out, out_stride);
  else if (W == 3 && count == 2)
    pool_rows<E, O, W, 2>(rows, n, stride, out, out_stride);
  else
    pool_rows<E, O, W, 1>(rows, n, stride, out, out_stride);
}

// A map of N x N pixels of O values.
template <class E, int O, int N, int W>
void pool_map(const Scalar* map, typename E::Value* out) {
  constexpr int kPooled = pooled_size(N, W);
  for (int y = 0; y < kPooled; ++y) {
    const Scalar* rows[W];
    for (int r = 0; r < W; ++r) rows[r] = map + (2 * y + r) * N * O;
    pool_row<E, O, W>(rows, 2 * y + W <= N ? W : N - 2 * y, N, O, out + y * kPooled * O, O);
  }
}

}  // namespace
}  // namespace trtmtcnn::cpu
