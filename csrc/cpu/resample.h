// Separable resampling of a window of a picture: each output is a weighted sum of a few source pixels.
#pragma once

#include <cstdint>
#include <vector>

#include "taps.h"
#include "types.h"

namespace trtmtcnn::cpu {

// The weights along one axis. Output i blends source pixels first[i] .. first[i] + taps - 1.
struct Axis {
  int taps = 0;
  std::vector<int32_t> first;
  std::vector<float> weights;  // n x taps, and some more that kernels read

  // Pixels outside the picture count as 0. `gain` multiplies all weights.
  void set(const ResizedAxis& axis, int n, double gain);

 private:
  std::vector<double> shares_;  // before they are divided and rounded
};

struct Axes {
  Axis vertical, horizontal;
};

// Memory that the resamplers of one worker reuse.
struct Scratch {
  Axes axes;
  std::vector<float> row, planes;
  std::vector<const uint8_t*> rows;
};

// Columns [begin, begin + n) of a horizontal axis.
struct Columns {
  const Axis* axis;
  int begin, n;
  int low() const { return axis->first[begin]; }
  int high() const { return axis->first[begin + n - 1] + axis->taps; }
};

// Resamples one output row into three float planes (R, G, B) of `columns.n` values; `offset` is added.
void resample_row(const Image& source, const Axis& vertical, int row, const Columns& columns, float offset,
                  Scratch& scratch, float* red, float* green, float* blue);

// The same to RGB pixels: 3 * columns.n values; writes up to four floats past the last.
void resample_pixels(const Image& source, const Axis& vertical, int row, const Columns& columns, float offset,
                     Scratch& scratch, float* out);

}  // namespace trtmtcnn::cpu
