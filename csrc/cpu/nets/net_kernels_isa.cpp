// Compiled once for each instruction set with TRTMTCNN_ISA naming it. No inline function of another
// header but those in isa/ may be used here: the linker could pick this copy of it for machines that lack the
// instructions.
#include "cpu/nets/isa/convolution.h"
#include "cpu/nets/isa/first_layer.h"
#include "cpu/nets/isa/pnet_first_layer.h"
#include "cpu/nets/isa/pooling.h"
#include "cpu/nets/isa/winograd.h"
#include "cpu/nets/net_kernels.h"
#include "runtime/macros.h"

namespace trtmtcnn::cpu {
namespace {

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
  constexpr int kPooled = pooled_size(n, W);
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
    pool_row<E, O, W>(window, last - 2 * y, n, kStride, out + y * kPooled * O, O);
  }
}

#ifdef __AVX512BF16__
void convert_to_values(const float* in, int64_t n, void* out) {
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
constexpr auto* to_values = &convert_to_values;
#else
constexpr void (*to_values)(const float*, int64_t, void*) = nullptr;
#endif

// Pixels of whole vectors, where convolutions do not run over their ends.
constexpr int stride_of(int channels) { return Element::kStep == 1 ? ceil_div(channels, kLanes) * kLanes : channels; }
constexpr int kPooledStride = stride_of(10);

const Value* const* rows_of(const void* const* rows) { return reinterpret_cast<const Value* const*>(rows); }

#ifdef __AVX512BF16__
void pnet_input(const float* pixels, int n, void* out) { convert_to_values(pixels, int64_t{3} * n, out); }

void pnet_conv1(const PackedConv& conv, const void* const* rows, int count, int n, void* out) {
  constexpr int kChunk = 24, kStride = ceil_div(10, kLanes) * kLanes;  // both rows stay in the first cache
  float maps[2][kChunk * kStride];
  const float* window[2] = {maps[0], maps[1]};
  for (int begin = 0; begin < n; begin += kChunk) {
    const int m = n - begin < kChunk ? n - begin : kChunk;
    for (int r = 0; r < count; ++r) {
      const Value* in[3];
      for (int k = 0; k < 3; ++k) in[k] = rows_of(rows)[r + k] + static_cast<ptrdiff_t>(begin) * 3;
      conv_row<Element, 3, 3, 10, kChunk>(in, m, conv, AsFloats{maps[r], kStride});
    }
    pool_row<Element, 10, 2>(window, count, m, kStride,
                             static_cast<Value*>(out) + static_cast<ptrdiff_t>(begin / 2) * kPooledStride,
                             kPooledStride);
  }
}
#else
void pnet_input(const float* pixels, int n, void* out) { split_columns(pixels, n, static_cast<float*>(out)); }

void pnet_conv1(const PackedConv& conv, const void* const* rows, int count, int n, void* out) {
  pnet_first_layer<10, kPooledStride>(rows_of(rows), count, n, conv, static_cast<float*>(out));
}
#endif

// Up to four rows of a 3 x 3 convolution.
template <class E, int C, int O, int T, int S, class Out>
void conv3_rows(const typename E::Value* const* rows, int count, int n, const PackedConv& conv, const Out* out) {
  if constexpr (E::kStep == 1) {
    if (count == 4 && n >= 4) {
      float* const to[4] = {out[0].out, out[1].out, out[2].out, out[3].out};
      return Winograd<F4x3, C, O, T, S>::rows(rows, n, conv, to);
    }
  }
  for (int r = 0; r < count; ++r) conv_row<E, C, 3, O, 240, S>(rows + r, n, conv, out[r]);
}

void pnet_conv2(const PackedConv& conv, const void* const* rows, int count, int n, void* const* out) {
  AsValues<Element> to[4];
  for (int r = 0; r < count; ++r) to[r] = {static_cast<Value*>(out[r]), 16};
  conv3_rows<Element, 10, 16, 12, kPooledStride>(rows_of(rows), count, n, conv, to);
}

void pnet_conv3(const PackedConv& conv, const void* const* rows, int count, int n, float* const* out) {
  AsFloats to[4];
  for (int r = 0; r < count; ++r) to[r] = {out[r], 32};
  conv3_rows<Element, 16, 32, 6, 16>(rows_of(rows), count, n, conv, to);
}

// Sums of neighbouring lanes, those of a, then those of b.
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
      for (int p = 0; p < left; ++p) sums[p] = add_neighbours(sums[2 * p], sums[2 * p + 1], AllLanes{});
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
    at_ += scratch_part(n);
    return taken;
  }

 private:
  char* at_;
};

template <class E>
void rnet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  using Value = typename E::Value;
  Arena arena(scratch);
  auto* conv_scratch = arena.take<float>(kRnetScratchFloats);
  auto* map1 = arena.take<Value>(11 * 11 * 32);
  auto* band = arena.take<float>(9 * 9 * 48);
  auto* map2 = arena.take<Value>(int64_t{4 * 4 * 48} * n);
  auto* map3 = arena.take<Value>(int64_t{576} * n);
  auto* dense4 = arena.take<float>(int64_t{128} * n);
  for (int i = 0; i < n; ++i) {
    const Value* crop = static_cast<const Value*>(crops) + int64_t{24} * 24 * 3 * i;
    if constexpr (E::kStep == 1) {
      FirstLayer<28, 24, 3>::run(crop, convs[0], conv_scratch, map1);
      Winograd<F3x3, 28, 48, 9, stride_of(28)>::maps<9>(map1, 1, convs[1], conv_scratch, band);
      pool_map<E, 48, 9, 3>(band, map2 + 4 * 4 * 48 * i);
    } else {
      conv_pool_map<E, 3, 3, 28, 24, 3>(crop, convs[0], conv_scratch, map1);
      conv_pool_map<E, 28, 3, 48, 11, 3>(map1, convs[1], conv_scratch, map2);
      conv_map<E, 48, 2, 64, 4>(map2, convs[2], map3 + int64_t{576} * i);
    }
  }
  if constexpr (E::kStep == 1) Winograd<F3x2, 48, 64, 8>::maps<3>(map2, n, convs[2], conv_scratch, map3);
  dense<E, 576, 128>(map3, n, convs[3], AsFloats{dense4, 128});
  dense<Float32, 128, 16>(dense4, n, convs[4], AsFloats{out, 16});
}

template <class E>
void onet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  using Value = typename E::Value;
  Arena arena(scratch);
  auto* conv_scratch = arena.take<float>(kOnetScratchFloats);
  auto* map1 = arena.take<Value>(23 * 23 * 32);
  auto* band = arena.take<float>(21 * 21 * 64);
  auto* map2 = arena.take<Value>(int64_t{10 * 10 * 64} * n);
  auto* map3 = arena.take<Value>(int64_t{4 * 4 * 64} * n);
  auto* map4 = arena.take<Value>(int64_t{1152} * n);
  auto* dense5 = arena.take<float>(int64_t{256} * n);
  for (int i = 0; i < n; ++i) {
    const Value* crop = static_cast<const Value*>(crops) + int64_t{48} * 48 * 3 * i;
    if constexpr (E::kStep == 1) {
      FirstLayer<32, 48, 3>::run(crop, convs[0], conv_scratch, map1);
      Winograd<F3x3, 32, 64, 7>::maps<21>(map1, 1, convs[1], conv_scratch, band);
      pool_map<E, 64, 21, 3>(band, map2 + 10 * 10 * 64 * i);
    } else {
      conv_pool_map<E, 3, 3, 32, 48, 3>(crop, convs[0], conv_scratch, map1);
      conv_pool_map<E, 32, 3, 64, 23, 3>(map1, convs[1], conv_scratch, map2);
      conv_pool_map<E, 64, 3, 64, 10, 2>(map2, convs[2], conv_scratch, map3);
      conv_map<E, 64, 2, 128, 4>(map3, convs[3], map4 + int64_t{1152} * i);
    }
  }
  if constexpr (E::kStep == 1) {
    for (int i = 0; i < n; i += 4) {  // maps that share the reading of the weights
      const int count = n - i < 4 ? n - i : 4;
      Winograd<F4x3, 64, 64, 16>::maps<8>(map2 + 10 * 10 * 64 * i, count, convs[2], conv_scratch, band);
      for (int k = 0; k < count; ++k) pool_map<E, 64, 8, 2>(band + 8 * 8 * 64 * k, map3 + 4 * 4 * 64 * (i + k));
    }
    Winograd<F3x2, 64, 128, 8>::maps<3>(map3, n, convs[3], conv_scratch, map4);
  }
  dense<E, 1152, 256>(map4, n, convs[4], AsFloats{dense5, 256});
  dense<Float32, 256, 16>(dense5, n, convs[5], AsFloats{out, 16});
}

}  // namespace

extern const NetKernels TRTMTCNN_JOIN(net_kernels_, TRTMTCNN_ISA);
const NetKernels TRTMTCNN_JOIN(net_kernels_, TRTMTCNN_ISA) = {
    TRTMTCNN_STRING(TRTMTCNN_ISA),
    kLanes,
    Element::kStep,
    sizeof(Value),
    kPooledStride,
    to_values,
    pnet_input,
    pnet_conv1,
    pnet_conv2,
    pnet_conv3,
    pnet_dot,
    pnet_heads,
    rnet<Element>,
    onet<Element>,
};

}  // namespace trtmtcnn::cpu
