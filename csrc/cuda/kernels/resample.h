// Windows of frames at another size: what each output pixel is made of, and the making.
#pragma once

#include <cmath>
#include <cstddef>

#include "cuda/kernels/frame.h"
#include "cuda/launch.h"

namespace trtmtcnn::cuda {

// The weights of one output pixel along one axis, as cpu/resample.h defines them. A mip is chosen so that an
// output pixel covers less than two of its pixels, or four in the shorter direction of odd shapes.
struct Taps {
  static constexpr int kMost = 5;
  int mip;
  int first;
  int count;
  float weights[kMost];

  TRTMTCNN_HD void set(bool area, double start, double length, int n, int i, double extent, int pixels) {
    const double ratio = length / n;
    count = 0;
    if (area && ratio >= 1) {
      const double from = start + i * ratio, to = from + ratio;
      const int begin = static_cast<int>(clamped(floor(from), 0.0, static_cast<double>(pixels)));
      const int end = static_cast<int>(clamped(ceil(to), 0.0, static_cast<double>(pixels)));
      first = begin;
      for (int j = begin; j < end && count < kMost; ++j) {
        const double overlap = least(to, least(j + 1.0, extent)) - most(from, static_cast<double>(j));
        weights[count++] = static_cast<float>(overlap > 0 ? overlap / ratio : 0);
      }
    } else {
      const double centre = clamped(start + (i + 0.5) * ratio - 0.5, start, start + length - 1);
      const double below = floor(centre);
      const int j = static_cast<int>(clamped(below, -2.0, pixels + 1.0));
      const float fraction = static_cast<float>(centre - below);
      first = clamped(j, 0, pixels - 1);
      for (int k = j; k < j + 2; ++k)
        if (k >= 0 && k < pixels) weights[count++] = k == j ? 1 - fraction : fraction;
    }
  }
};

// A window of a frame seen through the mip that fits an output of height x width.
struct WindowView {
  int mip = 0;
  double scale = 1;  // 1 / 2^mip

  TRTMTCNN_HD WindowView(const DeviceFrame& frame, bool area, double window_height, double window_width, int height,
                         int width) {
    if (area) {
      while (mip < frame.mip_count - 1 && window_height >= 2.0 * height && window_width >= 2.0 * width) {
        window_height /= 2;
        window_width /= 2;
        scale /= 2;
        ++mip;
      }
    }
  }
};

// Of a window's output, the taps of row i or, from i = height on, of column i - height. They are worked out once and
// not for each pixel, as doubles are what most GPUs are slow at.
TRTMTCNN_HD Taps taps_of(const DeviceFrame& frame, bool area, double y, double x, double window_height,
                         double window_width, int height, int width, int i) {
  const WindowView view(frame, area, window_height, window_width, height, width);
  const double s = view.scale;
  const DeviceImage &whole = frame.mips[0], &image = frame.mips[view.mip];
  Taps taps;
  taps.mip = view.mip;
  if (i < height)
    taps.set(area, y * s, window_height * s, height, i, whole.height * s, image.height);
  else
    taps.set(area, x * s, window_width * s, width, i - height, whole.width * s, image.width);
  return taps;
}

// Blends one output pixel's taps; rgb gets R, G, B in levels.
TRTMTCNN_HD void blend(const DeviceFrame& frame, const Taps& vertical, const Taps& horizontal, float rgb[3]) {
  const DeviceImage& image = frame.mips[vertical.mip];
  rgb[0] = rgb[1] = rgb[2] = 0;
  for (int v = 0; v < vertical.count; ++v) {
    const uint8_t* pixel =
        image.data + (ptrdiff_t{vertical.first} + v) * image.row_stride + ptrdiff_t{3} * horizontal.first;
    float row[3] = {0, 0, 0};
    for (int h = 0; h < horizontal.count; ++h, pixel += 3)
      for (int c = 0; c < 3; ++c) row[c] += horizontal.weights[h] * static_cast<float>(pixel[c]);
    for (int c = 0; c < 3; ++c) rgb[2 - c] += vertical.weights[v] * row[c];
  }
}

// The taps of a whole frame's rows and columns.
struct ResizeTaps {
  const DeviceFrame* frame;
  bool area;
  int height, width;
  Taps* taps;

  TRTMTCNN_HD void operator()(int i) const {
    const DeviceImage& image = frame->mips[0];
    taps[i] = taps_of(*frame, area, 0, 0, image.height, image.width, height, width, i);
  }
};

// A frame resized to uint8, for frames that are worked on at another size.
struct ResizeFrame {
  const DeviceFrame* frame;
  const Taps* taps;
  uint8_t* out;
  int height, width;

  TRTMTCNN_HD void operator()(int i) const {
    const int y = i / width, x = i % width;
    float rgb[3];
    blend(*frame, taps[y], taps[height + x], rgb);
    for (int c = 0; c < 3; ++c)
      out[ptrdiff_t{3} * i + c] = static_cast<uint8_t>(clamped(rgb[2 - c] + 0.5f, 0.0f, 255.0f));
  }
};

}  // namespace trtmtcnn::cuda
