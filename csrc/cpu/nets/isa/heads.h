// What is computed of the networks' last features.
#pragma once

#include "cpu/nets/isa/convolution.h"
#include "cpu/nets/isa/pnet_first_layer.h"

#ifndef TRTMTCNN_FLOAT16

namespace trtmtcnn::cpu {
namespace {

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

// R-Net's 128 inputs, O-Net's 256 or L-Net's 320.
void crop_heads(const PackedConv& conv, const float* features, int inputs, int n, float* out) {
  if (inputs == 128)
    dense<Float32, 128, 16>(features, n, conv, AsFloats{out, 16});
  else if (inputs == 256)
    dense<Float32, 256, 16>(features, n, conv, AsFloats{out, 16});
  else
    dense<Float32, 320, 16>(features, n, conv, AsFloats{out, 16});
}

}  // namespace
}  // namespace trtmtcnn::cpu

#endif
