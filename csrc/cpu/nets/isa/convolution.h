// Convolutions as sums over all products, and dense layers.
#pragma once

#include "cpu/nets/isa/lanes.h"
#include "cpu/nets/isa/vectors.h"
#include "cpu/nets/net_kernels.h"

namespace trtmtcnn::cpu {
namespace {

// Pixels and vectors of channels that are summed up at a time.
struct Tile {
  int pixels, vectors;
};

#ifdef __AVX512F__
constexpr bool kRegistersToSpare = true;
#else
constexpr bool kRegistersToSpare = false;
#endif
#ifdef __aarch64__
constexpr double kMultiplyCycles = 0.25;  // four units
// A vector of inputs is as many of them.
constexpr double load_cycles(int p, int v) { return (p * (1.0 / kLanes) + v) * 0.5; }
#ifdef TRTMTCNN_FLOAT16
// Inputs are in the 16 registers that lanes are multiplied from: GCC copies some where there is no room to choose.
constexpr bool fits_registers(int p, int v) { return p * v + p + 2 <= 29; }
#else
constexpr bool fits_registers(int p, int v) { return p * v + p + 2 <= 32; }
#endif
#else
constexpr double kMultiplyCycles = 0.5;
constexpr double load_cycles(int p, int v) { return (p + v) * 0.5; }
constexpr bool fits_registers(int, int) { return true; }
#endif

// The tile that takes least time for rows of n pixels: two multiplications (on Arm four) or two loads a cycle, and four
// cycles from one sum to the next. With AVX-512's 32 registers, of several the one that loads least: processors that
// begin four instructions a cycle have none to spare beside two multiplications. With 16, weights of a larger tile
// would find no register.
constexpr Tile best_tile(int n, int vectors) {
  Tile best{1, 1};
  double least = 1e30, fewest = 1e30;
  for (int v = 1; v <= vectors && v <= 4; ++v) {
    if (vectors % v) continue;
    for (int p = 1; p <= 12 && p <= n; ++p) {
      if (p * v > kSums || !fits_registers(p, v)) continue;
      double cycles = p * v * kMultiplyCycles;
      if (load_cycles(p, v) > cycles) cycles = load_cycles(p, v);
      if (cycles < 4) cycles = 4;
      const int times = ceil_div(n, p) * (vectors / v);
      const double loads = load_cycles(p, v) * times;
      cycles *= times;
      if (cycles < least || (kRegistersToSpare && cycles == least && loads < fewest))
        least = cycles, fewest = loads, best = {p, v};
    }
  }
  return best;
}

template <int C, int K, class E>
constexpr int kSteps = ceil_div(C * K, E::kStep);  // of one kernel row

// A convolution (C channels, K x K) at P neighbouring pixels, for V vectors of channels. rows: where the first
// pixel's K input rows begin.
template <class E, int C, int K, int P, int V, int S>
TRTMTCNN_INLINE void convolve(const typename E::Value* const* rows, int x, const PackedConv& conv, int vector,
                              Vector (&sums)[P][V]) {
  constexpr int kVectorValues = K * kSteps<C, K, E> * kLanes * E::kStep;
  const auto* weights = static_cast<const typename E::Value*>(conv.weights) + vector * kVectorValues;
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
    for (int v = 0; v < V; ++v) sums[p][v] = load(scalars(conv.bias) + (vector + v) * kLanes);
  // Pixels side by side are one run of values.
  constexpr int kRuns = S == C ? 1 : K, kRun = S == C ? kSteps<C, K, E> : C;
  static_assert(S == C || E::kStep == 1);
  for (int run = 0; run < K * kRuns; ++run) {
    const typename E::Value* in = rows[run / kRuns] + static_cast<ptrdiff_t>(x + run % kRuns) * S;
#ifdef __aarch64__
    add_products<kRun>(sums, in, S, weights, kVectorValues);
    weights += kRun * kLanes;
#else
#pragma GCC unroll 1
    for (int k = 0; k < kRun; ++k) {
      typename E::Weights w[V];
#pragma GCC unroll 32
      for (int v = 0; v < V; ++v) w[v] = E::weights(weights + v * kVectorValues);
#pragma GCC unroll 32
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
        for (int v = 0; v < V; ++v) E::add(sums[p][v], w[v], in + p * S);
      in += E::kStep;
      weights += kLanes * E::kStep;
    }
#endif
  }
}

struct AsFloats {
  float* out;
  int stride;  // from pixel to pixel
  TRTMTCNN_INLINE void put(int x, int channel, Vector v) const {
    store(out + static_cast<ptrdiff_t>(x) * stride + channel, v);
  }
};

template <class E>
struct AsValues {
  typename E::Value* out;
  int stride;
  TRTMTCNN_INLINE void put(int x, int channel, Vector v) const {
    E::put(out + static_cast<ptrdiff_t>(x) * stride + channel, v);
  }
};

// One row of n >= P pixels; the last tile overlaps the one before.
template <class E, int C, int K, int kVectors, int P, int V, int S, class Out>
TRTMTCNN_INLINE void tiles(const typename E::Value* const* rows, int n, const PackedConv& conv, const Out& out) {
  for (int vector = 0; vector < kVectors; vector += V) {
    for (int tile = 0; tile < n; tile += P) {
      const int x = tile + P <= n ? tile : n - P;
      Vector sums[P][V];
      convolve<E, C, K, P, V, S>(rows, x, conv, vector, sums);
#pragma GCC unroll 32
      for (int v = 0; v < V; ++v) {
        const Vector slope = load(scalars(conv.slope) + (vector + v) * kLanes);
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p) out.put(x + p, (vector + v) * kLanes, prelu(sums[p][v], slope));
      }
    }
  }
}

// One row of n pixels of C channels, S values apart, to O. N: the n that it is tuned for.
template <class E, int C, int K, int O, int N, int S = C, class Out>
TRTMTCNN_INLINE void conv_row(const typename E::Value* const* rows, int n, const PackedConv& conv, const Out& out) {
  constexpr int kVectors = ceil_div(O, kLanes);
  constexpr Tile kTile = best_tile(N, kVectors);
  if (n >= kTile.pixels)
    tiles<E, C, K, kVectors, kTile.pixels, kTile.vectors, S>(rows, n, conv, out);
  else
    tiles<E, C, K, kVectors, 1, kTile.vectors, S>(rows, n, conv, out);
}

// n rows of I inputs to O outputs; few of them at a time as well, since reading the weights is most of the work.
template <class E, int I, int O, int P = best_tile(64, ceil_div(O, kLanes)).pixels, class Out>
void dense(const typename E::Value* in, int n, const PackedConv& conv, const Out& out) {
  constexpr int kVectors = ceil_div(O, kLanes), kV = best_tile(64, kVectors).vectors;
  if constexpr (P > 1)
    if (n < P) return dense<E, I, O, P - 1>(in, n, conv, out);
  const typename E::Value* rows[1] = {in};
  tiles<E, I, 1, kVectors, P, kV, I>(rows, n, conv, out);
}

}  // namespace
}  // namespace trtmtcnn::cpu
