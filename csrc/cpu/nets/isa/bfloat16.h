// Floats rounded to bfloat16, as VCVTNEPS2BF16 does: to the nearest, ties to even, denormals to zero.
#pragma once

#include "cpu/nets/isa/vectors.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace trtmtcnn::cpu {
namespace {

struct Bfloat16 {
  using Value = uint16_t;

  static TRTMTCNN_INLINE void put(Value* p, Vector v) {
#ifdef __AVX512BF16__
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh((__m512)v));
#else
    typedef uint32_t Bits __attribute__((vector_size(sizeof(Vector))));
    typedef uint16_t Halves __attribute__((vector_size(sizeof(Vector) / 2)));
    const Bits bits = (Bits)v, size = bits & 0x7fffffff;
    Bits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    rounded = size > 0x7f800000 ? (bits >> 16) | 0x40 : rounded;  // NaN stays NaN
    rounded = size < 0x00800000 ? (bits >> 16) & 0x8000 : rounded;
    const Halves halves = __builtin_convertvector(rounded, Halves);
    __builtin_memcpy(p, &halves, sizeof halves);
#endif
  }
};

}  // namespace
}  // namespace trtmtcnn::cpu
