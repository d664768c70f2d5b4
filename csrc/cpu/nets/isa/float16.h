// Vectors of float16, which sums are in, too: arithmetic that 64-bit Arm has from version 8.2 on (FEAT_FP16). Elsewhere
// each operation is one on floats whose result is rounded to the nearest float16, ties to even; memory holds floats.
// Slopes of PReLUs are packed less one: x + (slope - 1) min(x, 0) takes two instructions, and rounds once.
#pragma once

#include "cpu/nets/isa/vectors.h"

#ifdef __aarch64__
#include <arm_neon.h>
#elif defined(__F16C__)
#include <immintrin.h>
#endif

namespace trtmtcnn::cpu {
namespace {

constexpr int kLanes = 8, kSums = 24;

#ifdef __aarch64__

#if defined(__clang__) || __GNUC__ >= 13
using Scalar = _Float16;
#else
using Scalar = __fp16;  // GCC 12 has _Float16 in C alone
#endif
typedef Scalar Vector __attribute__((vector_size(16)));
typedef Scalar Unaligned __attribute__((vector_size(16), aligned(2), may_alias));
using MaskLane = int16_t;
typedef MaskLane Mask __attribute__((vector_size(16)));

TRTMTCNN_INLINE Vector load(const Scalar* p) { return *reinterpret_cast<const Unaligned*>(p); }
TRTMTCNN_INLINE Vector load_floats(const float* p) {
  return (Vector)vcvt_high_f16_f32(vcvt_f16_f32(vld1q_f32(p)), vld1q_f32(p + 4));
}
// Four floats from each place.
TRTMTCNN_INLINE Vector load_fours(const float* first, const float* second) {
  return (Vector)vcvt_high_f16_f32(vcvt_f16_f32(vld1q_f32(first)), vld1q_f32(second));
}
TRTMTCNN_INLINE void store(Scalar* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }
TRTMTCNN_INLINE void store(float* p, Vector v) {
  vst1q_f32(p, vcvt_f32_f16(vget_low_f16((float16x8_t)v)));
  vst1q_f32(p + 4, vcvt_high_f32_f16((float16x8_t)v));
}
// totals += v, in float32.
TRTMTCNN_INLINE void add_to_floats(float* totals, Vector v) {
  vst1q_f32(totals, vaddq_f32(vld1q_f32(totals), vcvt_f32_f16(vget_low_f16((float16x8_t)v))));
  vst1q_f32(totals + 4, vaddq_f32(vld1q_f32(totals + 4), vcvt_high_f32_f16((float16x8_t)v)));
}
TRTMTCNN_INLINE Vector splat(Scalar x) { return (Vector)vdupq_n_f16(x); }
TRTMTCNN_INLINE Vector maximum(Vector a, Vector b) { return (Vector)vmaxq_f16((float16x8_t)a, (float16x8_t)b); }
TRTMTCNN_INLINE Vector select(Mask mask, Vector a, Vector b) {
  return (Vector)vbslq_f16((uint16x8_t)mask, (float16x8_t)a, (float16x8_t)b);
}
TRTMTCNN_INLINE void add_product(Vector& sum, Vector w, Scalar x) {
  sum = (Vector)vfmaq_n_f16((float16x8_t)sum, (float16x8_t)w, x);
}
TRTMTCNN_INLINE Vector prelu(Vector v, Vector less_one) {
  const auto x = (float16x8_t)v;
  return (Vector)vfmaq_f16(x, vminq_f16(x, vdupq_n_f16(0)), (float16x8_t)less_one);
}

template <int... I>
TRTMTCNN_INLINE Vector shuffle(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, I...);
}

#else

typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef float Unaligned __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
using MaskLane = int32_t;
typedef MaskLane Mask __attribute__((vector_size(4 * kLanes)));

#ifdef __F16C__
TRTMTCNN_INLINE Floats rounded(Floats x) {
  return (Floats)_mm256_cvtph_ps(_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT));
}
#else
TRTMTCNN_INLINE Floats rounded(Floats x) {
  typedef uint32_t Bits __attribute__((vector_size(4 * kLanes)));
  constexpr uint32_t kInfinity = 0x7f800000, kLargest = 0x477fe000, kLeastNormal = 0x38800000;
  const Bits size = (Bits)x & 0x7fffffff;
  Bits near = (size + 0xfff + ((size >> 13) & 1)) & ~0x1fffu;
  near = near > kLargest ? Bits{} + kInfinity : near;
  const Floats fixed = ((Floats)size + 0.5f) - 0.5f;  // floats from 0.5 to 1 are as far apart as float16's denormals
  near = size < kLeastNormal ? (Bits)fixed : near;
  near = size > kInfinity ? size : near;  // NaN
  return (Floats)(near | ((Bits)x & 0x80000000));
}
#endif

using Scalar = float;
struct Vector {
  Floats v;
};

TRTMTCNN_INLINE Vector operator+(Vector a, Vector b) { return {rounded(a.v + b.v)}; }
TRTMTCNN_INLINE Vector operator-(Vector a, Vector b) { return {rounded(a.v - b.v)}; }
TRTMTCNN_INLINE Vector operator*(Vector a, Vector b) { return {rounded(a.v * b.v)}; }
TRTMTCNN_INLINE Vector operator*(float a, Vector b) { return {rounded(a * b.v)}; }
TRTMTCNN_INLINE Vector operator*(Vector a, float b) { return b * a; }
TRTMTCNN_INLINE Vector& operator+=(Vector& a, Vector b) { return a = a + b; }
TRTMTCNN_INLINE Vector& operator-=(Vector& a, Vector b) { return a = a - b; }

TRTMTCNN_INLINE Vector load(const float* p) { return {*reinterpret_cast<const Unaligned*>(p)}; }
TRTMTCNN_INLINE Vector load_floats(const float* p) { return {rounded(load(p).v)}; }
TRTMTCNN_INLINE Vector load_fours(const float* first, const float* second) {
  Floats fours;
  __builtin_memcpy(&fours, first, sizeof fours / 2);
  __builtin_memcpy(reinterpret_cast<char*>(&fours) + sizeof fours / 2, second, sizeof fours / 2);
  return {rounded(fours)};
}
TRTMTCNN_INLINE void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v.v; }
TRTMTCNN_INLINE void add_to_floats(float* totals, Vector v) { store(totals, {load(totals).v + v.v}); }
TRTMTCNN_INLINE Vector splat(float x) { return {Floats{} + x}; }
TRTMTCNN_INLINE Vector maximum(Vector a, Vector b) { return {a.v > b.v ? a.v : b.v}; }
TRTMTCNN_INLINE Vector select(Mask mask, Vector a, Vector b) { return {mask ? a.v : b.v}; }
// The product is exact, as in an instruction that multiplies and adds.
TRTMTCNN_INLINE void add_product(Vector& sum, Vector w, float x) { sum.v = rounded(sum.v + w.v * x); }
TRTMTCNN_INLINE Vector prelu(Vector v, Vector less_one) {
  return {rounded(v.v + (v.v < 0 ? v.v : Floats{}) * less_one.v)};
}

template <int... I>
TRTMTCNN_INLINE Vector shuffle(Vector a, Vector b) {
  return {__builtin_shufflevector(a.v, b.v, I...)};
}

#endif

// True in the first n lanes.
TRTMTCNN_INLINE Mask first_lanes(int n) {
  constexpr Mask kLane = {0, 1, 2, 3, 4, 5, 6, 7};
  const MaskLane end = n < kLanes ? n : kLanes;
  const Mask ends = {end, end, end, end, end, end, end, end};
  return kLane < ends;
}

}  // namespace
}  // namespace trtmtcnn::cpu
