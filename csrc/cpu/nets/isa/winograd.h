// Convolutions by tiles, with fewer products than there are weights and pixels: A. Lavin, S. Gray, "Fast Algorithms
// for Convolutional Neural Networks", arXiv:1509.09308. F(m x m, r x r) makes m x m pixels of an r x r convolution
// from (m + r - 1)^2 transformed values of each input channel and as many transformed weights.
#pragma once

#include "cpu/nets/isa/bfloat16_products.h"
#include "cpu/nets/isa/convolution.h"

namespace trtmtcnn::cpu {
namespace {

// One dimension's transforms of inputs (B^T) and of products (A^T); packed_net.cpp has that of the weights (G).
struct F2x3 {
  static constexpr int kOut = 2, kIn = 4;
  static TRTMTCNN_INLINE void input(const Vector* d, Vector* v) {
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
  }
  static TRTMTCNN_INLINE void output(const Vector* m, Vector* y) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
  }
};

struct F3x2 : F2x3 {
  static constexpr int kOut = 3, kIn = 4;
  static TRTMTCNN_INLINE void output(const Vector* m, Vector* y) {
    const Vector sum = m[1] + m[2];
    y[0] = m[0] + sum;
    y[1] = m[1] - m[2];
    y[2] = sum - m[3];
  }
};

struct F3x3 {
  static constexpr int kOut = 3, kIn = 5;
  static TRTMTCNN_INLINE void input(const Vector* d, Vector* v) {
    const Vector odd = d[3] - d[1];
    v[0] = 2 * (d[0] - d[2]) + odd;
    v[1] = odd - (d[1] + d[2]);
    v[2] = 3 * (d[1] - d[2]) + odd;
    v[3] = odd;
    v[4] = (d[4] - d[2]) - 2 * odd;
  }
  static TRTMTCNN_INLINE void output(const Vector* m, Vector* y) {
    const Vector sum = m[1] + m[2], difference = m[1] - m[2];
    y[0] = m[0] + sum + m[3];
    y[1] = difference + 2 * m[3];
    y[2] = (sum + m[4]) + 4 * m[3];
  }
};

struct F4x3 {
  static constexpr int kOut = 4, kIn = 6;
  static TRTMTCNN_INLINE void input(const Vector* d, Vector* v) {
    const Vector even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const Vector apart = d[4] - d[2], twice = 2 * (d[3] - d[1]);
    v[0] = 4 * (d[0] - d[2]) + apart;
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = apart + twice;
    v[4] = apart - twice;
    v[5] = (d[5] - d[3]) - 2 * twice;
  }
  static TRTMTCNN_INLINE void output(const Vector* m, Vector* y) {
    const Vector near = m[1] + m[2], near_difference = m[1] - m[2];
    const Vector far = m[3] + m[4], far_difference = m[3] - m[4];
    y[0] = m[0] + near + far;
    y[1] = near_difference + 2 * far_difference;
    y[2] = near + 4 * far;
    y[3] = (near_difference + m[5]) + 8 * far_difference;
  }
};

// C channels to O, of T tiles at a time. S: values from pixel to pixel of the input.
template <class F, int C, int O, int T, int S = C>
class Winograd {
 public:
  static constexpr int kOut = F::kOut, kIn = F::kIn;

 private:
  static constexpr int kStride = ceil_div(C, kLanes) * kLanes;  // of transformed values, from tile to tile
  // From one place of the transform to the next: by no power of two, or all places would share one set of a cache.
  static constexpr int kInputs = (kBfloat16Products ? T * kStride / 2 : T * kStride) + kPadding;  // floats
  static constexpr int kProducts = T * O + kPadding;
  static_assert(!kBfloat16Products || T % 2 == 0);

 public:
  static constexpr int kScratchFloats = kIn * kIn * (kInputs + kProducts);  // floats to work in

  // source(tile, const float* (&rows)[kIn]), sink(tile, float* (&rows)[kOut]): where a tile's pixels begin.
  template <class Source, class Sink>
  static TRTMTCNN_INLINE void run(int tiles, const Source& source, const PackedConv& conv, float* scratch,
                                  const Sink& sink) {
    float* const inputs = scratch;
    float* const products = scratch + kIn * kIn * kInputs;
    for (int begin = 0; begin < tiles; begin += T) {
      const int n = tiles - begin < T ? tiles - begin : T;
      for (int t = 0; t < n; ++t) {
        const float* rows[kIn];
        source(begin + t, rows);
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
        transform(rows, inputs, t);
#else
        transform(rows, inputs + t * kStride);
#endif
      }
      multiply(inputs, n, conv.transformed, products);
      for (int t = 0; t < n; ++t) {
        float* rows[kOut];
        sink(begin + t, rows);
        finish(products + t * O, conv, rows);
      }
    }
  }

  // kOut rows of n >= kOut pixels.
  static void rows(const float* const* in, int n, const PackedConv& conv, float* const* out) {
    alignas(64) float scratch[kScratchFloats];
    run(
        ceil_div(n, kOut),
        [&](int tile, const float*(&rows)[kIn]) {
          for (int r = 0; r < kIn; ++r) rows[r] = in[r] + corner(tile, n) * S;
        },
        conv, scratch,
        [&](int tile, float*(&rows)[kOut]) {
          for (int r = 0; r < kOut; ++r) rows[r] = out[r] + corner(tile, n) * O;
        });
  }

  // `count` maps of N + kIn - kOut pixels a side to maps of N.
  template <int N>
  static void maps(const float* in, int count, const PackedConv& conv, float* scratch, float* out) {
    constexpr int kSide = N + kIn - kOut, kAcross = ceil_div(N, kOut);
    run(
        count * kAcross * kAcross,
        [&](int tile, const float*(&rows)[kIn]) {
          const float* map = in + tile / (kAcross * kAcross) * (kSide * kSide * S);
          const int y = corner(tile / kAcross % kAcross, N), x = corner(tile % kAcross, N);
          for (int r = 0; r < kIn; ++r) rows[r] = map + ((y + r) * kSide + x) * S;
        },
        conv, scratch,
        [&](int tile, float*(&rows)[kOut]) {
          float* map = out + tile / (kAcross * kAcross) * (N * N * O);
          const int y = corner(tile / kAcross % kAcross, N), x = corner(tile % kAcross, N);
          for (int r = 0; r < kOut; ++r) rows[r] = map + ((y + r) * N + x) * O;
        });
  }

 private:
  // The last tile overlaps the one before.
  static TRTMTCNN_INLINE int corner(int tile, int n) { return tile * kOut + kOut <= n ? tile * kOut : n - kOut; }

#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
  static TRTMTCNN_INLINE void transform(const float* const* rows, float* inputs, int tile) {
    auto* out = reinterpret_cast<uint16_t*>(inputs) + tile / 2 * (2 * kStride) + tile % 2 * 4;
#else
  static TRTMTCNN_INLINE void transform(const float* const* rows, float* out) {
#endif
#pragma GCC unroll 32
    for (int c = 0; c < C; c += kLanes) {
      Vector across[kIn][kIn];
#pragma GCC unroll 32
      for (int r = 0; r < kIn; ++r) {
        Vector row[kIn];
#pragma GCC unroll 32
        for (int x = 0; x < kIn; ++x) row[x] = load(rows[r] + x * S + c);
        F::input(row, across[r]);
      }
#pragma GCC unroll 32
      for (int x = 0; x < kIn; ++x) {
        Vector column[kIn], values[kIn];
#pragma GCC unroll 32
        for (int r = 0; r < kIn; ++r) column[r] = across[r][x];
        F::input(column, values);
#pragma GCC unroll 32
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
        for (int r = 0; r < kIn; ++r) store_bfloat16(out + (r * kIn + x) * (2 * kInputs) + 2 * c, values[r]);
#else
        for (int r = 0; r < kIn; ++r) store(out + (r * kIn + x) * kInputs + c, values[r]);
#endif
      }
    }
  }

#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
  // Twelve pairs of sums and more: the instruction takes five cycles, and four begin in each.
  static TRTMTCNN_INLINE void multiply(const float* inputs, int n, const float* weights, float* products) {
    multiply_by_pairs<3, O / kLanes % 4 == 0 ? 4 : 2>(inputs, (n + 1) / 2, weights, products);
  }

  template <int P, int V>
  static TRTMTCNN_INLINE void multiply_by_pairs(const float* inputs, int pairs, const float* weights, float* products) {
    if constexpr (P > 1)
      if (pairs < P) return multiply_by_pairs<P - 1, V>(inputs, pairs, weights, products);
    constexpr int kFours = ceil_div(C, 4);
    const auto* in = reinterpret_cast<const uint16_t*>(inputs);
    const auto* from = reinterpret_cast<const uint16_t*>(weights);
    for (int i = 0; i < kIn * kIn; ++i, in += 2 * kInputs, from += kFours * 4 * O, products += kProducts)
      for (int vector = 0; vector < O / kLanes; vector += V)
        for (int pair = 0; pair < pairs; pair += P) {
          const int p = pair + P <= pairs ? pair : pairs - P;
          multiply_pairs<P, V>(in + p * 2 * kStride, 2 * kStride, from + vector * kFours * 16, kFours,
                               products + 2 * p * O + vector * kLanes, O);
        }
  }
#else
  static TRTMTCNN_INLINE void multiply(const float* inputs, int n, const float* weights, float* products) {
    constexpr Tile kTile = best_tile(T, O / kLanes);
    multiply_tiles<kTile.pixels, kTile.vectors>(inputs, n, weights, products);
  }

  template <int P, int V>
  static TRTMTCNN_INLINE void multiply_tiles(const float* inputs, int n, const float* weights, float* products) {
    if constexpr (P > 1)
      if (n < P) return multiply_tiles<(P + 1) / 2, V>(inputs, n, weights, products);
    for (int i = 0; i < kIn * kIn; ++i, inputs += kInputs, weights += C * O, products += kProducts)
      multiply_one<P, V>(inputs, n, weights, products);
  }

  // n tiles' values in one place of the transform, times the weights there.
  template <int P, int V>
  static TRTMTCNN_INLINE void multiply_one(const float* inputs, int n, const float* weights, float* products) {
    for (int vector = 0; vector < O / kLanes; vector += V) {
      for (int tile = 0; tile < n; tile += P) {
        const int t = tile + P <= n ? tile : n - P;
        const float* in = inputs + t * kStride;
        const float* from = weights + vector * C * kLanes;
        Vector sums[P][V] = {};
#ifdef __aarch64__
        add_products<C>(sums, in, kStride, from, C * kLanes);
#else
#pragma GCC unroll 1
        for (int c = 0; c < C; ++c, ++in, from += kLanes) {
          Vector w[V];
#pragma GCC unroll 32
          for (int v = 0; v < V; ++v) w[v] = load(from + v * C * kLanes);
#pragma GCC unroll 32
          for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
            for (int v = 0; v < V; ++v) sums[p][v] += w[v] * in[p * kStride];
        }
#endif
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
          for (int v = 0; v < V; ++v) store(products + (t + p) * O + (vector + v) * kLanes, sums[p][v]);
      }
    }
  }
#endif

  static TRTMTCNN_INLINE void finish(const float* products, const PackedConv& conv, float* const* out) {
    for (int c = 0; c < O; c += kLanes) {
      Vector down[kOut][kIn];
#pragma GCC unroll 32
      for (int x = 0; x < kIn; ++x) {
        Vector column[kIn], sums[kOut];
#pragma GCC unroll 32
        for (int r = 0; r < kIn; ++r) column[r] = load(products + (r * kIn + x) * kProducts + c);
        F::output(column, sums);
#pragma GCC unroll 32
        for (int y = 0; y < kOut; ++y) down[y][x] = sums[y];
      }
      const Vector bias = load(conv.bias + c), slope = load(conv.slope + c);
#pragma GCC unroll 32
      for (int y = 0; y < kOut; ++y) {
        Vector pixels[kOut];
        F::output(down[y], pixels);
#pragma GCC unroll 32
        for (int x = 0; x < kOut; ++x) store(out[y] + x * O + c, prelu(pixels[x] + bias, slope));
      }
    }
  }
};

}  // namespace
}  // namespace trtmtcnn::cpu
