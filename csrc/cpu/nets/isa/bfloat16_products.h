// Products of bfloat16 values with float32 sums, where the instruction set multiplies matrices of them: BFMMLA adds to
// the sums of two pixels and two output channels the products of four input channels.
#pragma once

#include "cpu/nets/isa/vectors.h"

#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
#include <arm_neon.h>

namespace trtmtcnn::cpu {
namespace {

constexpr bool kBfloat16Products = true;

// Four channels of one tile, of a pair of tiles that lie side by side in a vector.
TRTMTCNN_INLINE void store_bfloat16(uint16_t* p, Vector v) {
  vst1_bf16(reinterpret_cast<bfloat16_t*>(p), vcvt_bf16_f32((float32x4_t)v));
}

TRTMTCNN_INLINE bfloat16x8_t load_bfloat16(const uint16_t* p) {
  return vld1q_bf16(reinterpret_cast<const bfloat16_t*>(p));
}

// P pairs of tiles times V vectors of output channels. in: [pair][four channels][tile of the pair][channel], `apart`
// values from pair to pair; weights: [vector][four channels][output channel][input channel]. `fours`: of input
// channels. out: tiles `stride` floats apart, channels side by side.
template <int P, int V>
TRTMTCNN_INLINE void multiply_pairs(const uint16_t* in, ptrdiff_t apart, const uint16_t* weights, int fours, float* out,
                                    ptrdiff_t stride) {
  const ptrdiff_t vector = ptrdiff_t{16} * fours;
  float32x4_t sums[P][V][2];
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 32
    for (int v = 0; v < V; ++v) sums[p][v][0] = sums[p][v][1] = vdupq_n_f32(0);
#pragma GCC unroll 1
  for (int c = 0; c < fours; ++c, in += 8, weights += 16) {
    bfloat16x8_t x[P];
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) x[p] = load_bfloat16(in + p * apart);
#pragma GCC unroll 32
    for (int v = 0; v < V; ++v) {
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const bfloat16x8_t w = load_bfloat16(weights + v * vector + 8 * half);
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p) sums[p][v][half] = vbfmmlaq_f32(sums[p][v][half], x[p], w);
      }
    }
  }
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) {
#pragma GCC unroll 32
    for (int v = 0; v < V; ++v) {
      const float64x2_t low = vreinterpretq_f64_f32(sums[p][v][0]), high = vreinterpretq_f64_f32(sums[p][v][1]);
      store(out + 2 * p * stride + v * kLanes, (Vector)vreinterpretq_f32_f64(vzip1q_f64(low, high)));
      store(out + (2 * p + 1) * stride + v * kLanes, (Vector)vreinterpretq_f32_f64(vzip2q_f64(low, high)));
    }
  }
}

}  // namespace
}  // namespace trtmtcnn::cpu
#else

namespace trtmtcnn::cpu {
namespace {
constexpr bool kBfloat16Products = false;
}  // namespace
}  // namespace trtmtcnn::cpu
#endif
