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

void pnet_conv2(const PackedConv& conv, const void* const* rows, int n, void* out) {
  conv_row<Element, 10, 3, 16, 240>(rows_of(rows), n, conv, AsValues<Element>{static_cast<Value*>(out), 16});
}

void pnet_conv3(const PackedConv& conv, const void* const* rows, int n, float* out) {
  conv_row<Element, 16, 3, 32, 240>(rows_of(rows), n, conv, AsFloats{out, 32});
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
  auto* band = arena.take<float>(4 * 22 * 32);
  auto* map1 = arena.take<Value>(11 * 11 * 28);
  auto* map2 = arena.take<Value>(4 * 4 * 48);
  auto* map3 = arena.take<Value>(int64_t{576} * n);
  auto* dense4 = arena.take<float>(int64_t{128} * n);
  for (int i = 0; i < n; ++i) {
    conv_pool_map<Element, 3, 3, 28, 24, 3>(static_cast<const Value*>(crops) + int64_t{24} * 24 * 3 * i, convs[0], band,
                                            map1);
    conv_pool_map<Element, 28, 3, 48, 11, 3>(map1, convs[1], band, map2);
    conv_map<Element, 48, 2, 64, 4>(map2, convs[2], map3 + int64_t{576} * i);
  }
  dense<Element, 576, 128>(map3, n, convs[3], AsFloats{dense4, 128});
  dense<Float32, 128, 16>(dense4, n, convs[4], AsFloats{out, 16});
}

void onet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  Arena arena(scratch);
  auto* band = arena.take<float>(4 * 46 * 32);
  auto* map1 = arena.take<Value>(23 * 23 * 32);
  auto* map2 = arena.take<Value>(10 * 10 * 64);
  auto* map3 = arena.take<Value>(4 * 4 * 64);
  auto* map4 = arena.take<Value>(int64_t{1152} * n);
  auto* dense5 = arena.take<float>(int64_t{256} * n);
  for (int i = 0; i < n; ++i) {
    conv_pool_map<Element, 3, 3, 32, 48, 3>(static_cast<const Value*>(crops) + int64_t{48} * 48 * 3 * i, convs[0], band,
                                            map1);
    conv_pool_map<Element, 32, 3, 64, 23, 3>(map1, convs[1], band, map2);
    conv_pool_map<Element, 64, 3, 64, 10, 2>(map2, convs[2], band, map3);
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
