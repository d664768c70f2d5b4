// Compiled once for each instruction set with TRTMTCNN_ISA naming it. No inline function of another
// header may be used here: the linker could pick this copy of it for machines that lack the instructions.
#include "cpu/nets/net_kernels.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#define TRTMTCNN_CONCAT_(a, b) a##b
#define TRTMTCNN_CONCAT(a, b) TRTMTCNN_CONCAT_(a, b)
#define TRTMTCNN_STRING_(a) #a
#define TRTMTCNN_STRING(a) TRTMTCNN_STRING_(a)
#define TRTMTCNN_INLINE inline __attribute__((always_inline))

namespace trtmtcnn::cpu {
namespace {

// Vectors of sums that fit the registers beside the weights and the broadcast.
#if defined(__AVX512F__)
constexpr int kLanes = 16, kSums = 27;
#elif defined(__AVX2__)
constexpr int kLanes = 8, kSums = 12;
#elif defined(__aarch64__)
constexpr int kLanes = 4, kSums = 24;
#else
constexpr int kLanes = 4, kSums = 12;
#endif

typedef float Vector __attribute__((vector_size(4 * kLanes)));
typedef float Unaligned __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

TRTMTCNN_INLINE Vector load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
TRTMTCNN_INLINE void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }
TRTMTCNN_INLINE Vector maximum(Vector a, Vector b) { return a > b ? a : b; }

struct Float32 {
  using Value = float;
  static constexpr int kStep = 1;
  using Weights = Vector;
  static TRTMTCNN_INLINE Weights weights(const Value* p) { return load(p); }
  static TRTMTCNN_INLINE void add_product(Vector& sum, Weights w, const Value* in) { sum += w * *in; }
  static TRTMTCNN_INLINE void put(Value* p, Vector v) { store(p, v); }
};

#ifdef __AVX512BF16__
struct BFloat16 {
  using Value = uint16_t;
  static constexpr int kStep = 2;
  using Weights = __m512bh;
  static TRTMTCNN_INLINE Weights weights(const Value* p) { return (__m512bh)_mm512_loadu_si512(p); }
  static TRTMTCNN_INLINE void add_product(Vector& sum, Weights w, const Value* in) {
    int pair;
    __builtin_memcpy(&pair, in, sizeof pair);
    sum = (Vector)_mm512_dpbf16_ps((__m512)sum, w, (__m512bh)_mm512_set1_epi32(pair));
  }
  static TRTMTCNN_INLINE void put(Value* p, Vector v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh((__m512)v));
  }
};
using Element = BFloat16;
#else
using Element = Float32;
#endif
using Value = Element::Value;

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

// Pixels and vectors of channels that are summed up at a time.
struct Tile {
  int pixels, vectors;
};

// The tile that takes least time for rows of n pixels: two multiplications or two loads a cycle, and four cycles
// from one sum to the next.
constexpr Tile best_tile(int n, int vectors) {
  Tile best{1, 1};
  double least = 1e30;
  for (int v = 1; v <= vectors && v <= 4; ++v) {
    if (vectors % v) continue;
    for (int p = 1; p <= 12 && p <= n; ++p) {
      if (p * v > kSums) continue;
      double cycles = p * v * 0.5;
      if ((p + v) * 0.5 > cycles) cycles = (p + v) * 0.5;
      if (cycles < 4) cycles = 4;
      cycles *= ceil_div(n, p) * (vectors / v);
      if (cycles < least) least = cycles, best = {p, v};
    }
  }
  return best;
}

template <int C, int K, class E>
constexpr int kSteps = ceil_div(C * K, E::kStep);  // of one kernel row

// A convolution (C channels, K x K) at P neighbouring pixels, for V vectors of channels. rows: where the first
// pixel's K input rows begin.
template <class E, int C, int K, int P, int V>
TRTMTCNN_INLINE void convolve(const typename E::Value* const* rows, int x, const PackedConv& conv, int vector,
                              Vector (&sums)[P][V]) {
  constexpr int kVectorValues = K * kSteps<C, K, E> * kLanes * E::kStep;
  const auto* weights = static_cast<const typename E::Value*>(conv.weights) + vector * kVectorValues;
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
    for (int v = 0; v < V; ++v) sums[p][v] = load(conv.bias + (vector + v) * kLanes);
  for (int row = 0; row < K; ++row) {
    const typename E::Value* in = rows[row] + static_cast<ptrdiff_t>(x) * C;
#pragma GCC unroll 1
    for (int k = 0; k < kSteps<C, K, E>; ++k) {
      typename E::Weights w[V];
#pragma GCC unroll 32
      for (int v = 0; v < V; ++v) w[v] = E::weights(weights + v * kVectorValues);
#pragma GCC unroll 32
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
        for (int v = 0; v < V; ++v) E::add_product(sums[p][v], w[v], in + p * C);
      in += E::kStep;
      weights += kLanes * E::kStep;
    }
  }
}

TRTMTCNN_INLINE Vector prelu(Vector v, Vector slope) { return v > 0 ? v : v * slope; }

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
template <class E, int C, int K, int kVectors, int P, int V, class Out>
TRTMTCNN_INLINE void tiles(const typename E::Value* const* rows, int n, const PackedConv& conv, const Out& out) {
  for (int vector = 0; vector < kVectors; vector += V) {
    for (int tile = 0; tile < n; tile += P) {
      const int x = tile + P <= n ? tile : n - P;
      Vector sums[P][V];
      convolve<E, C, K, P, V>(rows, x, conv, vector, sums);
#pragma GCC unroll 32
      for (int v = 0; v < V; ++v) {
        const Vector slope = load(conv.slope + (vector + v) * kLanes);
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p) out.put(x + p, (vector + v) * kLanes, prelu(sums[p][v], slope));
      }
    }
  }
}

// One row of n pixels of C channels to O. N: the n that it is tuned for.
template <class E, int C, int K, int O, int N, class Out>
TRTMTCNN_INLINE void conv_row(const typename E::Value* const* rows, int n, const PackedConv& conv, const Out& out) {
  constexpr int kVectors = ceil_div(O, kLanes);
  constexpr Tile kTile = best_tile(N, kVectors);
  if (n >= kTile.pixels)
    tiles<E, C, K, kVectors, kTile.pixels, kTile.vectors>(rows, n, conv, out);
  else
    tiles<E, C, K, kVectors, 1, kTile.vectors>(rows, n, conv, out);
}

// Maxima of windows of W x W pixels, two apart, over rows of n pixels (stride `stride`, O channels in use).
template <class E, int O, int W>
TRTMTCNN_INLINE void pool_row(const float* const* rows, int rows_n, int n, int stride, typename E::Value* out) {
  const int pooled = n < W ? 1 : ceil_div(n - W, 2) + 1;
  for (int x = 0; x < pooled; ++x) {
    const int columns = 2 * x + W <= n ? W : n - 2 * x;
#pragma GCC unroll 32
    for (int c = 0; c < O; c += kLanes) {
      Vector most = load(rows[0] + static_cast<ptrdiff_t>(2 * x) * stride + c);
      for (int r = 0; r < rows_n; ++r)
        for (int k = 0; k < columns; ++k)
          most = maximum(most, load(rows[r] + static_cast<ptrdiff_t>(2 * x + k) * stride + c));
      E::put(out + x * O + c, most);
    }
  }
}

// A map of S x S pixels through a convolution: (S - K + 1)^2 pixels of O values.
template <class E, int C, int K, int O, int S>
void conv_map(const typename E::Value* in, const PackedConv& conv, typename E::Value* out) {
  static_assert(O % kLanes == 0);
  constexpr int n = S - K + 1;
  for (int y = 0; y < n; ++y) {
    const typename E::Value* rows[K];
    for (int r = 0; r < K; ++r) rows[r] = in + (y + r) * S * C;
    conv_row<E, C, K, O, n>(rows, n, conv, AsValues<E>{out + y * n * O, O});
  }
}

// The same, and windows of W x W pixels two apart of that. `band` holds W rows.
template <class E, int C, int K, int O, int S, int W>
void conv_pool_map(const typename E::Value* in, const PackedConv& conv, float* band, typename E::Value* out) {
  constexpr int n = S - K + 1, kStride = ceil_div(O, kLanes) * kLanes;
  constexpr int kPooled = ceil_div(n - W, 2) + 1;
  int done = 0;
  for (int y = 0; y < kPooled; ++y) {
    const int last = 2 * y + W < n ? 2 * y + W : n;
    for (; done < last; ++done) {
      const typename E::Value* rows[K];
      for (int r = 0; r < K; ++r) rows[r] = in + (done + r) * S * C;
      conv_row<E, C, K, O, n>(rows, n, conv, AsFloats{band + done % W * n * kStride, kStride});
    }
    const float* window[W] = {};
    for (int r = 0; 2 * y + r < last; ++r) window[r] = band + (2 * y + r) % W * n * kStride;
    pool_row<E, O, W>(window, last - 2 * y, n, kStride, out + y * kPooled * O);
  }
}

// n rows of I inputs to O outputs.
template <class E, int I, int O, class Out>
void dense(const typename E::Value* in, int n, const PackedConv& conv, const Out& out) {
  const typename E::Value* rows[1] = {in};
  conv_row<E, I, 1, O, 64>(rows, n, conv, out);
}

// A 3 x 3 convolution at 2 x 2 pixels with 16 products of each input and output channel in place of 36: A. Lavin,
// S. Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, F(2 x 2, 3 x 3). T tiles at a time.
template <int C, int O, int T>
class Winograd {
 public:
  // Two rows of n >= 2 pixels from four.
  static void rows(const float* const* in, int n, const PackedConv& conv, float* const* out) {
    float inputs[16 * kInputs], products[16 * T * O];
    const int tiles = (n + 1) / 2;
    for (int begin = 0; begin < tiles; begin += T) {
      const int m = tiles - begin < T ? tiles - begin : T;
      for (int t = 0; t < m; ++t) {
        const int x = corner(begin + t, n);
        const float* const at[4] = {in[0] + x * C, in[1] + x * C, in[2] + x * C, in[3] + x * C};
        transform(at, inputs + t * C);
      }
      multiply(inputs, m, conv.transformed, products);
      for (int t = 0; t < m; ++t) {
        const int x = corner(begin + t, n);
        float* const to[2] = {out[0] + x * O, out[1] + x * O};
        finish(products + t * O, conv, to);
      }
    }
  }

  // A map of (n + 2)^2 pixels to n^2, which are at most T tiles. Needs room for 16 * (T * (C + O) + kLanes) floats.
  static void map(const float* in, int n, const PackedConv& conv, float* room, float* out) {
    float* inputs = room;
    float* products = room + 16 * kInputs;
    const int across = (n + 1) / 2;
    for (int t = 0; t < across * across; ++t) {
      const float* at[4];
      for (int r = 0; r < 4; ++r) at[r] = in + ((corner(t / across, n) + r) * (n + 2) + corner(t % across, n)) * C;
      transform(at, inputs + t * C);
    }
    multiply(inputs, across * across, conv.transformed, products);
    for (int t = 0; t < across * across; ++t) {
      float* to[2];
      for (int r = 0; r < 2; ++r) to[r] = out + ((corner(t / across, n) + r) * n + corner(t % across, n)) * O;
      finish(products + t * O, conv, to);
    }
  }

 private:
  // Of one of the 16 values; stores of whole vectors may reach past the last tile.
  static constexpr int kInputs = T * C + (C % kLanes ? kLanes : 0);

  // An odd row's last tile overlaps the one before.
  static TRTMTCNN_INLINE int corner(int tile, int n) { return 2 * tile + 2 <= n ? 2 * tile : n - 2; }

  // Stores whole vectors: tiles must come in order, so that each mends what the one before wrote too much.
  static TRTMTCNN_INLINE void transform(const float* const* rows, float* out) {
#pragma GCC unroll 32
    for (int c = 0; c < C; c += kLanes) {
      Vector across[4][4];
#pragma GCC unroll 32
      for (int r = 0; r < 4; ++r) {
        const Vector a = load(rows[r] + c), b = load(rows[r] + C + c);
        const Vector d = load(rows[r] + 2 * C + c), e = load(rows[r] + 3 * C + c);
        across[r][0] = a - d;
        across[r][1] = b + d;
        across[r][2] = d - b;
        across[r][3] = b - e;
      }
#pragma GCC unroll 32
      for (int x = 0; x < 4; ++x) {
        store(out + (0 * 4 + x) * kInputs + c, across[0][x] - across[2][x]);
        store(out + (1 * 4 + x) * kInputs + c, across[1][x] + across[2][x]);
        store(out + (2 * 4 + x) * kInputs + c, across[2][x] - across[1][x]);
        store(out + (3 * 4 + x) * kInputs + c, across[1][x] - across[3][x]);
      }
    }
  }

  static TRTMTCNN_INLINE void multiply(const float* inputs, int n, const float* weights, float* products) {
    constexpr Tile kTile = best_tile(T, O / kLanes);
    for (int i = 0; i < 16; ++i, inputs += kInputs, weights += C * O, products += T * O) {
      if (n >= kTile.pixels)
        multiply<kTile.pixels, kTile.vectors>(inputs, n, weights, products);
      else
        multiply<1, kTile.vectors>(inputs, n, weights, products);
    }
  }

  template <int P, int V>
  static TRTMTCNN_INLINE void multiply(const float* inputs, int n, const float* weights, float* products) {
    for (int vector = 0; vector < O / kLanes; vector += V) {
      for (int tile = 0; tile < n; tile += P) {
        const int t = tile + P <= n ? tile : n - P;
        const float* in = inputs + t * C;
        const float* from = weights + vector * C * kLanes;
        Vector sums[P][V] = {};
#pragma GCC unroll 1
        for (int c = 0; c < C; ++c, ++in, from += kLanes) {
          Vector w[V];
#pragma GCC unroll 32
          for (int v = 0; v < V; ++v) w[v] = load(from + v * C * kLanes);
#pragma GCC unroll 32
          for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
            for (int v = 0; v < V; ++v) sums[p][v] += w[v] * in[p * C];
        }
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
          for (int v = 0; v < V; ++v) store(products + (t + p) * O + (vector + v) * kLanes, sums[p][v]);
      }
    }
  }

  static TRTMTCNN_INLINE void finish(const float* products, const PackedConv& conv, float* const* out) {
    for (int c = 0; c < O; c += kLanes) {
      Vector rows[2][4];
#pragma GCC unroll 32
      for (int x = 0; x < 4; ++x) {
        const Vector a = load(products + (0 * 4 + x) * T * O + c), b = load(products + (1 * 4 + x) * T * O + c);
        const Vector d = load(products + (2 * 4 + x) * T * O + c), e = load(products + (3 * 4 + x) * T * O + c);
        rows[0][x] = a + b + d;
        rows[1][x] = b - d - e;
      }
      const Vector bias = load(conv.bias + c), slope = load(conv.slope + c);
#pragma GCC unroll 32
      for (int y = 0; y < 2; ++y) {
        const Vector left = rows[y][0] + rows[y][1] + rows[y][2] + bias;
        const Vector right = rows[y][1] - rows[y][2] - rows[y][3] + bias;
        store(out[y] + c, prelu(left, slope));
        store(out[y] + O + c, prelu(right, slope));
      }
    }
  }
};

// Windows of W x W pixels two apart of a map of N x N pixels of O values.
template <class E, int O, int N, int W>
void pool_map(const float* map, typename E::Value* out) {
  constexpr int kPooled = ceil_div(N - W, 2) + 1;
  for (int y = 0; y < kPooled; ++y) {
    const float* rows[W];
    for (int r = 0; r < W; ++r) rows[r] = map + (2 * y + r) * N * O;
    pool_row<E, O, W>(rows, 2 * y + W <= N ? W : N - 2 * y, N, O, out + y * kPooled * O);
  }
}

// A 3 x 3 convolution of a map of S x S pixels and the windows of that. `room`: kRnetRoom or kOnetRoom.
template <class E, int C, int O, int S, int W>
void conv3_pool_map(const typename E::Value* in, const PackedConv& conv, float* room, typename E::Value* out) {
  if constexpr (E::kStep == 1) {
    constexpr int n = S - 2, kAcross = (n + 1) / 2;
    if constexpr (kAcross <= 5) {
      Winograd<C, O, kAcross * kAcross>::map(in, n, conv, room + n * n * O, room);
    } else {
      for (int y = 0; y < n; y += 2) {
        const int top = y + 2 <= n ? y : n - 2;
        const float* rows[4];
        for (int r = 0; r < 4; ++r) rows[r] = in + (top + r) * S * C;
        float* const to[2] = {room + top * n * O, room + (top + 1) * n * O};
        Winograd<C, O, kAcross>::rows(rows, n, conv, to);
      }
    }
    pool_map<E, O, n, W>(room, out);
  } else {
    conv_pool_map<E, C, 3, O, S, W>(in, conv, room, out);
  }
}

void to_values(const float* in, int64_t n, void* out) {
  auto* values = static_cast<Value*>(out);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Element::put(values + i, load(in + i));
  if (i == n) return;
  float rest[kLanes] = {};
  for (int k = 0; i + k < n; ++k) rest[k] = in[i + k];
  Value last[kLanes];
  Element::put(last, load(rest));
  for (int k = 0; i + k < n; ++k) values[i + k] = last[k];
}

const Value* const* rows_of(const void* const* rows) { return reinterpret_cast<const Value* const*>(rows); }

void pnet_conv1(const PackedConv& conv, const void* const* above, const void* const* below, int n, void* out) {
  constexpr int kChunk = 24, kStride = ceil_div(10, kLanes) * kLanes;  // both rows stay in the first cache
  float maps[2][kChunk * kStride];
  const float* window[2] = {maps[0], maps[1]};
  for (int begin = 0; begin < n; begin += kChunk) {
    const int m = n - begin < kChunk ? n - begin : kChunk;
    for (int r = 0; r < 2; ++r) {
      const Value* rows[3];
      for (int k = 0; k < 3; ++k) rows[k] = rows_of(r ? below : above)[k] + static_cast<ptrdiff_t>(begin) * 3;
      conv_row<Element, 3, 3, 10, kChunk>(rows, m, conv, AsFloats{maps[r], kStride});
    }
    pool_row<Element, 10, 2>(window, 2, m, kStride, static_cast<Value*>(out) + static_cast<ptrdiff_t>(begin / 2) * 10);
  }
}

// One or two rows of a 3 x 3 convolution.
template <class E, int C, int O, class Out>
void conv3_rows(const typename E::Value* const* rows, int count, int n, const PackedConv& conv, const Out* out) {
  if constexpr (E::kStep == 1) {
    if (count == 2 && n >= 2) {
      float* const to[2] = {out[0].out, out[1].out};
      return Winograd<C, O, 12>::rows(rows, n, conv, to);
    }
  }
  for (int r = 0; r < count; ++r) conv_row<E, C, 3, O, 240>(rows + r, n, conv, out[r]);
}

void pnet_conv2(const PackedConv& conv, const void* const* rows, int count, int n, void* const* out) {
  const AsValues<Element> to[2] = {{static_cast<Value*>(out[0]), 16}, {static_cast<Value*>(out[1]), 16}};
  conv3_rows<Element, 10, 16>(rows_of(rows), count, n, conv, to);
}

void pnet_conv3(const PackedConv& conv, const void* const* rows, int count, int n, float* const* out) {
  const AsFloats to[2] = {{out[0], 32}, {out[1], 32}};
  conv3_rows<Element, 16, 32>(rows_of(rows), count, n, conv, to);
}

// Sums of neighbouring lanes, those of a, then those of b.
template <int... I>
struct Lanes {};
template <int N, int... I>
struct MakeLanes : MakeLanes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeLanes<0, I...> {
  using Type = Lanes<I...>;
};
template <int... I>
TRTMTCNN_INLINE Vector add_neighbours(Vector a, Vector b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, 2 * I...) + __builtin_shufflevector(a, b, 2 * I + 1 ...);
}

void pnet_dot(const float* features, int n, const float* weights, float bias, float* out) {
  constexpr int kVectors = 32 / kLanes;
  for (int x = 0; x < n; x += kLanes) {
    Vector sums[kLanes];
#pragma GCC unroll 32
    for (int p = 0; p < kLanes; ++p) {
      const float* pixel = features + static_cast<ptrdiff_t>(x + p) * 32;
      sums[p] = load(pixel) * load(weights);
#pragma GCC unroll 32
      for (int v = 1; v < kVectors; ++v) sums[p] += load(pixel + v * kLanes) * load(weights + v * kLanes);
    }
#pragma GCC unroll 32
    for (int left = kLanes / 2; left >= 1; left /= 2)
#pragma GCC unroll 32
      for (int p = 0; p < left; ++p) sums[p] = add_neighbours(sums[2 * p], sums[2 * p + 1], MakeLanes<kLanes>::Type{});
    store(out + x, sums[0] + bias);
  }
}

void pnet_heads(const PackedConv& conv, const float* features, int n, float* out) {
  dense<Float32, 32, 16>(features, n, conv, AsFloats{out, 16});
}

// Hands out pieces of the scratch memory.
class Arena {
 public:
  explicit Arena(void* memory) : at_(static_cast<char*>(memory)) {}
  template <class T>
  T* take(int64_t n) {
    T* taken = reinterpret_cast<T*>(at_);
    at_ += (n + kRoom) * 4;
    return taken;
  }

 private:
  char* at_;
};

void rnet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  Arena arena(scratch);
  auto* room = arena.take<float>(kRnetRoom);
  auto* map1 = arena.take<Value>(11 * 11 * 28);
  auto* map2 = arena.take<Value>(4 * 4 * 48);
  auto* map3 = arena.take<Value>(int64_t{576} * n);
  auto* dense4 = arena.take<float>(int64_t{128} * n);
  for (int i = 0; i < n; ++i) {
    conv_pool_map<Element, 3, 3, 28, 24, 3>(static_cast<const Value*>(crops) + int64_t{24} * 24 * 3 * i, convs[0], room,
                                            map1);
    conv3_pool_map<Element, 28, 48, 11, 3>(map1, convs[1], room, map2);
    conv_map<Element, 48, 2, 64, 4>(map2, convs[2], map3 + int64_t{576} * i);
  }
  dense<Element, 576, 128>(map3, n, convs[3], AsFloats{dense4, 128});
  dense<Float32, 128, 16>(dense4, n, convs[4], AsFloats{out, 16});
}

void onet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  Arena arena(scratch);
  auto* room = arena.take<float>(kOnetRoom);
  auto* map1 = arena.take<Value>(23 * 23 * 32);
  auto* map2 = arena.take<Value>(10 * 10 * 64);
  auto* map3 = arena.take<Value>(4 * 4 * 64);
  auto* map4 = arena.take<Value>(int64_t{1152} * n);
  auto* dense5 = arena.take<float>(int64_t{256} * n);
  for (int i = 0; i < n; ++i) {
    conv_pool_map<Element, 3, 3, 32, 48, 3>(static_cast<const Value*>(crops) + int64_t{48} * 48 * 3 * i, convs[0], room,
                                            map1);
    conv3_pool_map<Element, 32, 64, 23, 3>(map1, convs[1], room, map2);
    conv3_pool_map<Element, 64, 64, 10, 2>(map2, convs[2], room, map3);
    conv_map<Element, 64, 2, 128, 4>(map3, convs[3], map4 + int64_t{1152} * i);
  }
  dense<Element, 1152, 256>(map4, n, convs[4], AsFloats{dense5, 256});
  dense<Float32, 256, 16>(dense5, n, convs[5], AsFloats{out, 16});
}

}  // namespace

extern const NetKernels TRTMTCNN_CONCAT(net_kernels_, TRTMTCNN_ISA);
const NetKernels TRTMTCNN_CONCAT(net_kernels_, TRTMTCNN_ISA) = {
    TRTMTCNN_STRING(TRTMTCNN_ISA),
    kLanes,
    Element::kStep,
    sizeof(Value),
    to_values,
    pnet_conv1,
    pnet_conv2,
    pnet_conv3,
    pnet_dot,
    pnet_heads,
    rnet,
    onet,
};

}  // namespace trtmtcnn::cpu
