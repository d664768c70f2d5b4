// Dense layers of float16, and the heads behind them in float32.
#pragma once

#include "cpu/nets/isa/convolution.h"

#ifdef TRTMTCNN_FLOAT16

namespace trtmtcnn::cpu {
namespace {

// n rows of I inputs to O outputs. Sums of float16 keep no digits of a thousand products: those of kChunk are added up
// in float32.
template <int I, int O, int P = 8>
void dense_float16(const Scalar* in, int n, const PackedConv& conv, float* out) {
  constexpr int kVectors = O / kLanes, V = 2, kChunk = 64;
  static_assert(I % kChunk == 0 && kVectors % V == 0);
  if constexpr (P > 1)
    if (n < P) return dense_float16<I, O, P / 2>(in, n, conv, out);
  for (int vector = 0; vector < kVectors; vector += V) {
    const Scalar* weights = static_cast<const Scalar*>(conv.weights) + vector * I * kLanes;
    for (int tile = 0; tile < n; tile += P) {
      const ptrdiff_t x = tile + P <= n ? tile : n - P;  // the last ones overlap those before
      float totals[P][V][kLanes] = {};
      for (int begin = 0; begin < I; begin += kChunk) {
        Vector sums[P][V] = {};
        add_products<kChunk>(sums, in + x * I + begin, I, weights + begin * kLanes, I * kLanes);
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
          for (int v = 0; v < V; ++v) add_to_floats(totals[p][v], sums[p][v]);
      }
#pragma GCC unroll 32
      for (int v = 0; v < V; ++v) {
        const int channel = (vector + v) * kLanes;
        const Vector bias = load(scalars(conv.bias) + channel), slope = load(scalars(conv.slope) + channel);
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p) store(out + (x + p) * O + channel, prelu(load_floats(totals[p][v]) + bias, slope));
      }
    }
  }
}

// Scores are compared with thresholds: their layers stay float32, and those of kernels in it compute them.
#ifdef __aarch64__
#define TRTMTCNN_HEADS net_kernels_neon
#else
#define TRTMTCNN_HEADS net_kernels_baseline
#endif

}  // namespace

extern const NetKernels TRTMTCNN_HEADS;

namespace {

constexpr int kHeadLanes = 4;

void pnet_dot(const float* features, int n, const float* weights, float bias, float* out) {
  TRTMTCNN_HEADS.pnet_dot(features, n, weights, bias, out);
}

void pnet_heads(const PackedConv& conv, const float* features, int n, float* out) {
  TRTMTCNN_HEADS.pnet_heads(conv, features, n, out);
}

void crop_heads(const PackedConv& conv, const float* features, int inputs, int n, float* out) {
  TRTMTCNN_HEADS.crop_heads(conv, features, inputs, n, out);
}

}  // namespace
}  // namespace trtmtcnn::cpu

#endif
