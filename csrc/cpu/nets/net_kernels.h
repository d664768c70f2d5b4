// The networks' inner loops, compiled once for each instruction set and chosen at run time.
//
// Maps are (row, column, channel). An output pixel's channels lie across vectors; each input value is broadcast and
// meets the weights of all of them. What convolutions read is held as `values`: float32, or bfloat16 where the
// machine multiplies pairs of those; sums, biases and PReLUs are float32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trtmtcnn::cpu {

// Kernels store whole vectors: maps need so many values of room behind them, and nothing but finite numbers there.
inline constexpr int kRoom = 32;

struct PackedConv {
  const void* weights;  // values [vector of channels][kernel row][step][lane][input of the step]
  const float* bias;    // padded to whole vectors
  const float* slope;
  const float* transformed;  // [transformed value of 16][vector of channels][input][lane]; null: not to be had
};

struct NetKernels {
  const char* name;
  int lanes;       // floats a vector
  int step;        // inputs that one multiplication takes: consecutive values of a kernel's row
  int value_size;  // bytes

  void (*to_values)(const float* in, int64_t n, void* out);

  // P-Net's rows. conv1: two rows of n pixels of (3 -> 10) and their 2x2 maxima, (n + 1) / 2 pixels; `above`, `below`:
  // the three input rows of each. conv2: one or two (`count`) rows of n pixels of (10 -> 16) from count + 2 rows.
  // conv3: the same of (16 -> 32), as floats.
  void (*pnet_conv1)(const PackedConv&, const void* const* above, const void* const* below, int n, void* out);
  void (*pnet_conv2)(const PackedConv&, const void* const* rows, int count, int n, void* const* out);
  void (*pnet_conv3)(const PackedConv&, const void* const* rows, int count, int n, float* const* out);
  // weights . features + bias of each of n pixels of 32 features; writes up to a vector more than n.
  void (*pnet_dot)(const float* features, int n, const float* weights, float bias, float* out);
  // All heads, kHeads floats a pixel.
  void (*pnet_heads)(const PackedConv&, const float* features, int n, float* out);

  // Crops (n, side, side, 3) of values to heads (n, kHeads). Scratch as net_scratch() says, zeroed once.
  void (*rnet)(const PackedConv* convs, const void* crops, int n, void* scratch, float* out);
  void (*onet)(const PackedConv* convs, const void* crops, int n, void* scratch, float* out);
};

// Floats that a layer works in: the largest need of any, and a map beside it.
inline constexpr int kRnetRoom = 16 * (25 * (28 + 48) + 16) + 9 * 9 * 48;
inline constexpr int kOnetRoom = 16 * (16 * (64 + 64) + 16) + 8 * 8 * 64;

// Bytes of scratch for a batch of n.
constexpr size_t rnet_scratch(int n) {
  return 4 * (kRnetRoom + 11 * 11 * 28 + 4 * 4 * 48 + size_t{704} * n + 8 * kRoom);
}
constexpr size_t onet_scratch(int n) {
  return 4 * (kOnetRoom + 23 * 23 * 32 + 10 * 10 * 64 + 4 * 4 * 64 + size_t{1408} * n + 8 * kRoom);
}

// For this machine and $TRT_MTCNN_ISA; null for bfloat16 where the machine has no instructions for it.
const NetKernels* net_kernels(bool bfloat16);

}  // namespace trtmtcnn::cpu
