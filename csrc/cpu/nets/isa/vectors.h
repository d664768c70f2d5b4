// Vectors of floats, and the values that convolutions read. Compiled once for each instruction set, as all in this
// folder is: everything is in a namespace without a name, so that no copy is taken for another's.
#pragma once

#include <cstddef>
#include <cstdint>

#define TRTMTCNN_INLINE inline __attribute__((always_inline))

namespace trtmtcnn::cpu {
namespace {

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

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

using Element = Float32;
using Value = Element::Value;

TRTMTCNN_INLINE Vector prelu(Vector v, Vector slope) { return v > 0 ? v : v * slope; }

}  // namespace
}  // namespace trtmtcnn::cpu
