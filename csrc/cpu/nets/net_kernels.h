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
  const void*
      weights;        // values [vector of channels][kernel row][step][lane][input of the step]; null: only transformed
  const float* bias;  // padded to whole vectors
  const float* slope;
  const float* transformed;  // [transformed value][vector of channels][input][lane]; null: not to be had
};

struct NetKernels {
  const char* name;
  int lanes;          // floats a vector
  int step;           // inputs that one multiplication takes: consecutive values of a kernel's row
  int value_size;     // bytes
  int pooled_stride;  // from pixel to pixel of P-Net's first maps

  void (*to_values)(const float* in, int64_t n, void* out);  // null where values are floats

  // P-Net's rows. input: n pixels (n, 3) as conv1 reads them, pnet_row_bytes(n). conv1: `count` rows, two or one, of n
  // pixels of (3 -> 10) from count + 2 rows, and the maxima of their 2x2 windows, (n + 1) / 2 pixels. conv2: `count`
  // rows, best four, of n pixels of (10 -> 16) from count + 2 rows. conv3: the same of (16 -> 32), as floats.
  void (*pnet_input)(const float* pixels, int n, void* out);
  void (*pnet_conv1)(const PackedConv&, const void* const* rows, int count, int n, void* out);
  void (*pnet_conv2)(const PackedConv&, const void* const* rows, int count, int n, void* const* out);
  void (*pnet_conv3)(const PackedConv&, const void* const* rows, int count, int n, float* const* out);
  // weights . features + bias of each of n pixels of 32 features; writes up to a vector more than n.
  void (*pnet_dot)(const float* features, int n, const float* weights, float bias, float* out);
  // All heads, kHeads floats a pixel.
  void (*pnet_heads)(const PackedConv&, const float* features, int n, float* out);

  // Crops (n, side, side, 3) of values to heads (n, kHeads). `scratch`: as large as rnet_scratch() or
  // onet_scratch() says, on a cache line, zeroed once.
  void (*rnet)(const PackedConv* convs, const void* crops, int n, void* scratch, float* out);
  void (*onet)(const PackedConv* convs, const void* crops, int n, void* scratch, float* out);
};

// Floats of a plane of every second of n columns, and what whole vectors store behind them.
constexpr int64_t pnet_plane(int n) { return ((n + 1) / 2 + kRoom + 15) / 16 * 16; }
constexpr size_t pnet_row_bytes(int n) { return (4 * 6 * static_cast<size_t>(pnet_plane(n)) + 63) / 64 * 64; }

// Floats that a layer works in: the largest need of any.
inline constexpr int kPlaceGap = 16;
inline constexpr int kRnetRoom = 25 * (9 * (32 + 48) + 2 * kPlaceGap);
inline constexpr int kOnetRoom = 36 * (16 * (64 + 64) + 2 * kPlaceGap);

// Bytes of a part of the scratch memory that holds n values of any kind.
constexpr size_t scratch_part(int64_t n) { return (static_cast<size_t>(n) * 4 + 4 * kRoom + 63) / 64 * 64; }

// Bytes of scratch for a batch of n.
constexpr size_t rnet_scratch(int64_t n) {
  return scratch_part(kRnetRoom) + scratch_part(11 * 11 * 32) + scratch_part(9 * 9 * 48) + scratch_part(768 * n) +
         scratch_part(576 * n) + scratch_part(128 * n);
}
constexpr size_t onet_scratch(int64_t n) {
  return scratch_part(kOnetRoom) + scratch_part(23 * 23 * 32) + scratch_part(21 * 21 * 64) + scratch_part(6400 * n) +
         scratch_part(1024 * n) + scratch_part(1152 * n) + scratch_part(256 * n);
}

// For this machine and $TRT_MTCNN_ISA; null for bfloat16 where the machine has no instructions for it.
const NetKernels* net_kernels(bool bfloat16);

}  // namespace trtmtcnn::cpu
