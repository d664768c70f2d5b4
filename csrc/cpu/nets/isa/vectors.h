// Vectors of floats, and the values that convolutions read. Compiled once for each instruction set, as all in this
// folder is: everything is in a namespace without a name, so that no copy is taken for another's.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __aarch64__
#include <arm_neon.h>
#endif
#if defined(__AVX2__) && !defined(TRTMTCNN_FLOAT16)
#include <immintrin.h>
#endif

#define TRTMTCNN_INLINE inline __attribute__((always_inline))

namespace trtmtcnn::cpu {
namespace {

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

#ifdef TRTMTCNN_FLOAT16
constexpr bool kFloat16 = true;
#else
constexpr bool kFloat16 = false;

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

using Scalar = float;
typedef float Vector __attribute__((vector_size(4 * kLanes)));
typedef float Unaligned __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
typedef int32_t Mask __attribute__((vector_size(4 * kLanes)));

TRTMTCNN_INLINE Vector load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
TRTMTCNN_INLINE Vector load_floats(const float* p) { return load(p); }
TRTMTCNN_INLINE void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }
TRTMTCNN_INLINE Vector splat(float x) { return x - Vector{}; }  // not + 0, which makes -0 another number
TRTMTCNN_INLINE Vector select(Mask mask, Vector a, Vector b) { return mask ? a : b; }
TRTMTCNN_INLINE void add_product(Vector& sum, Vector w, float x) { sum += w * x; }
#ifdef __aarch64__
constexpr bool kLessOne = true;
TRTMTCNN_INLINE Vector load_fours(const float* first, const float*) { return load(first); }
TRTMTCNN_INLINE Vector maximum(Vector a, Vector b) { return (Vector)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
// kSlopesLessOne
TRTMTCNN_INLINE Vector prelu(Vector v, Vector less_one) {
  const auto x = (float32x4_t)v;
  return (Vector)vfmaq_f32(x, vminq_f32(x, vdupq_n_f32(0)), (float32x4_t)less_one);
}
#elif defined(__AVX2__) && !defined(__AVX512F__)
constexpr bool kLessOne = true;
// Of a constant GCC would make a comparison and a selection.
TRTMTCNN_INLINE Vector maximum(Vector a, Vector b) { return _mm256_max_ps(a, b); }
TRTMTCNN_INLINE Vector minimum(Vector a, Vector b) { return _mm256_min_ps(a, b); }
// Intel's processors take two or three steps to select by a vector alone.
TRTMTCNN_INLINE Vector prelu(Vector v, Vector less_one) { return v + minimum(v, Vector{}) * less_one; }
#else
constexpr bool kLessOne = false;
TRTMTCNN_INLINE Vector maximum(Vector a, Vector b) { return a > b ? a : b; }
TRTMTCNN_INLINE Vector minimum(Vector a, Vector b) { return a < b ? a : b; }
TRTMTCNN_INLINE Vector prelu(Vector v, Vector slope) { return v > 0 ? v : v * slope; }
#endif

template <int... I>
TRTMTCNN_INLINE Vector shuffle(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, I...);
}

// True in the first n lanes.
TRTMTCNN_INLINE Mask first_lanes(int n) {
  Mask lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return lane < n;
}

#endif

}  // namespace
}  // namespace trtmtcnn::cpu

#ifdef TRTMTCNN_FLOAT16
#include "cpu/nets/isa/float16.h"
#endif

namespace trtmtcnn::cpu {
namespace {

// What layers read and write.
struct Element {
  using Value = Scalar;
  static constexpr int kStep = 1;
  using Weights = Vector;
  static TRTMTCNN_INLINE Weights weights(const Value* p) { return load(p); }
  static TRTMTCNN_INLINE void add(Vector& sum, Weights w, const Value* in) { add_product(sum, w, *in); }
  static TRTMTCNN_INLINE void put(Value* p, Vector v) { store(p, v); }
};
#ifndef TRTMTCNN_FLOAT16
using Float32 = Element;
#endif

using Value = Element::Value;

// Biases, slopes and transformed weights, which are packed as layers read them.
TRTMTCNN_INLINE const Scalar* scalars(const float* packed) { return reinterpret_cast<const Scalar*>(packed); }

}  // namespace
}  // namespace trtmtcnn::cpu
