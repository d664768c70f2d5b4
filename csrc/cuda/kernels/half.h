// float16, as memory holds it: no arithmetic is done in it but by multiply_tiles().
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cuda/kernels/four.h"
#include "host_device.h"

namespace trtmtcnn::cuda {

// IEEE 754's binary16.
struct Half {
  uint16_t bits;
};

#ifndef __CUDA_ARCH__
inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
#endif

TRTMTCNN_HD float to_float(Half half) {
#ifdef __CUDA_ARCH__
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half.bits));
  return value;
#else
  constexpr float kExponents = 0x1p112f;  // float32's bias less float16's
  const uint32_t sign = (half.bits & 0x8000u) << 16, magnitude = half.bits & 0x7FFFu;
  if (magnitude >= 0x7C00u) return float_of(sign | 0x7F800000u | magnitude << 13);  // infinity, NaN
  return float_of(sign | bits_of(float_of(magnitude << 13) * kExponents));
#endif
}

// The nearest, of two the even one; infinity beyond the largest.
TRTMTCNN_HD Half to_half(float value) {
#ifdef __CUDA_ARCH__
  Half half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half.bits) : "f"(value));
  return half;
#else
  constexpr uint32_t kInfinity = 0x7F800000u, kTooLarge = 0x47800000u, kLeastNormal = 0x38800000u;
  constexpr uint32_t kSameUnit = 0x3F000000u;  // a float that counts in float16's least unit, 2^-24
  const uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude >= kTooLarge) return {static_cast<uint16_t>(sign | (magnitude > kInfinity ? 0x7E00u : 0x7C00u))};
  if (magnitude < kLeastNormal)
    return {static_cast<uint16_t>(sign | (bits_of(float_of(magnitude) + float_of(kSameUnit)) - kSameUnit))};
  const uint32_t odd = magnitude >> 13 & 1u;
  return {static_cast<uint16_t>(sign | (magnitude - 0x38000000u + 0xFFFu + odd) >> 13)};
#endif
}

// A value as the sum of two: float16's nearest, and the nearest to what that lacks. 22 bits of float32's 24.
struct TwoHalves {
  Half high, low;
};

// Two of them, the first in the lower half.
TRTMTCNN_HD uint32_t two_halves(float first, float second) {
  return to_half(first).bits | static_cast<uint32_t>(to_half(second).bits) << 16;
}

// Four values that a thread loads or stores at once, at a multiple of 8 bytes: the first two, and the others.
struct FourHalves {
  uint32_t at[2];
};

TRTMTCNN_HD FourHalves load_halves(const Half* from) {
#ifdef __CUDA_ARCH__
  const uint2 two = __ldg(reinterpret_cast<const uint2*>(from));
  return {{two.x, two.y}};
#else
  FourHalves four;
  std::memcpy(four.at, from, sizeof(four.at));
  return four;
#endif
}

TRTMTCNN_HD void store_halves(Half* to, const FourHalves& four) {
#ifdef __CUDA_ARCH__
  *reinterpret_cast<uint2*>(to) = make_uint2(four.at[0], four.at[1]);
#else
  std::memcpy(to, four.at, sizeof(four.at));
#endif
}

TRTMTCNN_HD Four to_floats(const FourHalves& four) {
  const auto half = [&](int i) { return Half{static_cast<uint16_t>(four.at[i / 2] >> (i % 2 * 16))}; };
  return {{to_float(half(0)), to_float(half(1)), to_float(half(2)), to_float(half(3))}};
}

TRTMTCNN_HD Four load_four(const Half* from) { return to_floats(load_halves(from)); }

TRTMTCNN_HD FourHalves to_halves(const Four& four) {
  return {{two_halves(four.at[0], four.at[1]), two_halves(four.at[2], four.at[3])}};
}

// What `four` lacks of values.
TRTMTCNN_HD FourHalves rest_of(const Four& values, const FourHalves& four) {
  const Four high = to_floats(four);
  Four rest;
  for (int i = 0; i < 4; ++i) rest.at[i] = values.at[i] - high.at[i];
  return to_halves(rest);
}

// The larger of each.
TRTMTCNN_HD Four larger(const Four& a, const Four& b) {
  Four most;
  for (int i = 0; i < 4; ++i) most.at[i] = max(a.at[i], b.at[i]);
  return most;
}
TRTMTCNN_HD FourHalves larger(const FourHalves& a, const FourHalves& b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  FourHalves most;
  asm("max.f16x2 %0, %1, %2;" : "=r"(most.at[0]) : "r"(a.at[0]), "r"(b.at[0]));
  asm("max.f16x2 %0, %1, %2;" : "=r"(most.at[1]) : "r"(a.at[1]), "r"(b.at[1]));
  return most;
#else
  return to_halves(larger(to_floats(a), to_floats(b)));
#endif
}

TRTMTCNN_HD void store_four(Half* to, const Four& four) { store_halves(to, to_halves(four)); }

// Maps of pixels of N channels, of which four from `channel` on are loaded or stored at once. Of sums of two, a pixel's
// first ones lie before its second ones.
template <int N>
TRTMTCNN_HD FourHalves load_pixel(const Half* map, ptrdiff_t pixel, int channel) {
  return load_halves(map + N * pixel + channel);
}
template <int N>
TRTMTCNN_HD Four load_pixel(const TwoHalves* map, ptrdiff_t pixel, int channel) {
  const Half* from = reinterpret_cast<const Half*>(map) + 2 * N * pixel + channel;
  const Four high = load_four(from), low = load_four(from + N);
  Four sums;
  for (int i = 0; i < 4; ++i) sums.at[i] = high.at[i] + low.at[i];
  return sums;
}

template <int N>
TRTMTCNN_HD void store_pixel(float* map, ptrdiff_t pixel, int channel, const Four& four) {
  store_four(map + N * pixel + channel, four);
}
template <int N>
TRTMTCNN_HD void store_pixel(Half* map, ptrdiff_t pixel, int channel, const FourHalves& four) {
  store_halves(map + N * pixel + channel, four);
}
template <int N>
TRTMTCNN_HD void store_pixel(Half* map, ptrdiff_t pixel, int channel, const Four& four) {
  store_pixel<N>(map, pixel, channel, to_halves(four));
}
template <int N>
TRTMTCNN_HD void store_pixel(TwoHalves* map, ptrdiff_t pixel, int channel, const Four& four) {
  Half* to = reinterpret_cast<Half*>(map) + 2 * N * pixel + channel;
  const FourHalves high = to_halves(four);
  store_halves(to, high);
  store_halves(to + N, rest_of(four, high));
}

}  // namespace trtmtcnn::cuda
