// Convolutions by tiles, with fewer products than there are weights and pixels: A. Lavin, S. Gray, "Fast Algorithms
// for Convolutional Neural Networks", arXiv:1509.09308. F(m x m, r x r) makes m x m pixels of an r x r convolution
// from (m + r - 1)^2 transformed values of each input channel and as many transformed weights.
#pragma once

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
  static constexpr int kInputs = T * kStride + kPadding;
  static constexpr int kProducts = T * O + kPadding;

 public:
  static constexpr int kScratch = kIn * kIn * (kInputs + kProducts);  // values to work in

  // source(tile, const Scalar* (&rows)[kIn]), sink(tile, To* (&rows)[kOut]): where a tile's pixels begin.
  template <class To, class Source, class Sink>
  static TRTMTCNN_INLINE void run(int tiles, const Source& source, const PackedConv& conv, Scalar* scratch,
                                  const Sink& sink) {
    Scalar* const inputs = scratch;
    Scalar* const products = scratch + kIn * kIn * kInputs;
    for (int begin = 0; begin < tiles; begin += T) {
      const int n = tiles - begin < T ? tiles - begin : T;
      for (int t = 0; t < n; ++t) {
        const Scalar* rows[kIn];
        source(begin + t, rows);
        transform(rows, inputs + t * kStride);
      }
      multiply(inputs, n, scalars(conv.transformed), products);
      for (int t = 0; t < n; ++t) {
        To* rows[kOut];
        sink(begin + t, rows);
        finish(products + t * O, conv, rows);
      }
    }
  }

  // kOut rows of n >= kOut pixels.
  template <class To>
  static void rows(const Scalar* const* in, int n, const PackedConv& conv, To* const* out) {
    alignas(64) Scalar scratch[kScratch];
    run<To>(
        ceil_div(n, kOut),
        [&](int tile, const Scalar*(&rows)[kIn]) {
          for (int r = 0; r < kIn; ++r) rows[r] = in[r] + corner(tile, n) * S;
        },
        conv, scratch,
        [&](int tile, To*(&rows)[kOut]) {
          for (int r = 0; r < kOut; ++r) rows[r] = out[r] + corner(tile, n) * O;
        });
  }

  // `count` maps of N + kIn - kOut pixels a side to maps of N.
  template <int N>
  static void maps(const Scalar* in, int count, const PackedConv& conv, Scalar* scratch, Scalar* out) {
    constexpr int kSide = N + kIn - kOut, kAcross = ceil_div(N, kOut);
    run<Scalar>(
        count * kAcross * kAcross,
        [&](int tile, const Scalar*(&rows)[kIn]) {
          const Scalar* map = in + tile / (kAcross * kAcross) * (kSide * kSide * S);
          const int y = corner(tile / kAcross % kAcross, N), x = corner(tile % kAcross, N);
          for (int r = 0; r < kIn; ++r) rows[r] = map + ((y + r) * kSide + x) * S;
        },
        conv, scratch,
        [&](int tile, Scalar*(&rows)[kOut]) {
          Scalar* map = out + tile / (kAcross * kAcross) * (N * N * O);
          const int y = corner(tile / kAcross % kAcross, N), x = corner(tile % kAcross, N);
          for (int r = 0; r < kOut; ++r) rows[r] = map + ((y + r) * N + x) * O;
        });
  }

 private:
  // The last tile overlaps the one before.
  static TRTMTCNN_INLINE int corner(int tile, int n) { return tile * kOut + kOut <= n ? tile * kOut : n - kOut; }

  static TRTMTCNN_INLINE void transform(const Scalar* const* rows, Scalar* out) {
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
        for (int r = 0; r < kIn; ++r) store(out + (r * kIn + x) * kInputs + c, values[r]);
      }
    }
  }

  static TRTMTCNN_INLINE void multiply(const Scalar* inputs, int n, const Scalar* weights, Scalar* products) {
    constexpr Tile kTile = best_tile(T, O / kLanes);
    multiply_tiles<kTile.pixels, kTile.vectors>(inputs, n, weights, products);
  }

  template <int P, int V>
  static TRTMTCNN_INLINE void multiply_tiles(const Scalar* inputs, int n, const Scalar* weights, Scalar* products) {
    if constexpr (P > 1)
      if (n < P) return multiply_tiles<(P + 1) / 2, V>(inputs, n, weights, products);
    for (int i = 0; i < kIn * kIn; ++i, inputs += kInputs, weights += C * O, products += kProducts)
      multiply_one<P, V>(inputs, n, weights, products);
  }

  // n tiles' values in one place of the transform, times the weights there.
  template <int P, int V>
  static TRTMTCNN_INLINE void multiply_one(const Scalar* inputs, int n, const Scalar* weights, Scalar* products) {
    for (int vector = 0; vector < O / kLanes; vector += V) {
      for (int tile = 0; tile < n; tile += P) {
        const int t = tile + P <= n ? tile : n - P;
        const Scalar* in = inputs + t * kStride;
        const Scalar* from = weights + vector * C * kLanes;
#ifdef __aarch64__
        Vector sums[P][V] = {};
        add_products<C, C <= kUnrolled>(sums, in, kStride, in_each_round(from), C * kLanes);
#else
        Vector sums[P][V] = {};
#pragma GCC unroll 1
        for (int c = 0; c < C; ++c, ++in, from += kLanes) {
          Vector w[V];
#pragma GCC unroll 32
          for (int v = 0; v < V; ++v) w[v] = load(from + v * C * kLanes);
#pragma GCC unroll 32
          for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
            for (int v = 0; v < V; ++v) add_product(sums[p][v], w[v], in[p * kStride]);
        }
#endif
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
          for (int v = 0; v < V; ++v) store(products + (t + p) * O + (vector + v) * kLanes, sums[p][v]);
      }
    }
  }

  template <class To>
  static TRTMTCNN_INLINE void finish(const Scalar* products, const PackedConv& conv, To* const* out) {
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
      const Vector bias = load(scalars(conv.bias) + c), slope = load(scalars(conv.slope) + c);
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
