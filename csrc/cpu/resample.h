// Separable resampling of a window of a picture: each output is a weighted sum of a few source pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "types.h"

namespace trtmtcnn::cpu {

// The weights along one axis. Output i blends pixels first[i] .. first[i] + taps - 1.
struct Axis {
  int taps = 0;
  std::vector<int32_t> first;
  std::vector<float> weights;  // n x taps

  // `start`, `length`: the window in pixels of the source; it may reach outside.
  // `extent`: the picture's length in the same pixels, fractional where a mip's last pixel is partial.
  // kArea averages what each output pixel covers and interpolates where it covers less than one pixel;
  // kBilinear interpolates between pixel centres. Pixels outside the picture count as 0.
  // `gain` multiplies all weights.
  void set(Resize mode, double start, double length, int n, double extent, int pixels, double gain = 1);
};

// Halvings of a picture of which the window keeps at least the output's pixels.
int mip_level(double window_height, double window_width, int height, int width);

}  // namespace trtmtcnn::cpu
