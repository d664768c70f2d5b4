// The inner loops, compiled once for each instruction set and chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trtmtcnn::cpu {

inline constexpr int kOverread = 16;  // floats of one vector

struct Kernels {
  const char* isa;

  // dst[i] = (a + b + c + d + 2) >> 2 over 2x2 blocks of BGR pixels of two rows.
  // An odd last pixel is paired with itself.
  void (*halve_row)(const uint8_t* top, const uint8_t* bottom, int width, uint8_t* dst);

  // dst[i] = sum over t of weights[t] * rows[t][i].
  void (*blend_rows)(const uint8_t* const* rows, const float* weights, int taps, int n, float* dst);

  // Blends `taps` neighbouring BGR pixels into each of n outputs, to three planes in RGB order:
  // plane[i] = sum over t of weights[i * taps + t] * row[3 * (first[i] - origin + t) + channel] + offset.
  // Reads one float past the last pixel.
  void (*blend_columns)(const float* row, int origin, const int32_t* first, const float* weights, int taps, int n,
                        float offset, float* red, float* green, float* blue);

  // The same to pixels: out[3 * i + channel]. Writes up to four floats past the last, and reads kOverread past the
  // weights.
  void (*blend_pixels)(const float* row, int origin, const int32_t* first, const float* weights, int taps, int n,
                       float offset, float* out);

  // Positions i with scores[i] >= threshold, in order; returns their number.
  int (*at_least)(const float* scores, int n, float threshold, int32_t* positions);
};

// For this machine; TRT_MTCNN_ISA=baseline|avx2|avx512 overrides. Throws DeviceError where that names none it has.
const Kernels& kernels();

}  // namespace trtmtcnn::cpu
