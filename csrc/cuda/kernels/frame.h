// Frames on the device: mips, and resampled windows of them.
#pragma once

#include <cmath>
#include <cstddef>

#include "cuda/launch.h"
#include "types.h"

namespace trtmtcnn::cuda {

struct DeviceImage {
  const uint8_t* data;  // BGR
  int height, width;
  ptrdiff_t row_stride;
};

inline constexpr int kMostMips = 20;

// A frame and its successive halvings.
struct DeviceFrame {
  DeviceImage mips[kMostMips];
  int mip_count;
};

// One pixel of the last of up to three successive mips, and those of the mips before that it is made of: a launch makes
// three mips. See Kernels::halve_row.
struct Halve {
  static constexpr int kMost = 3;
  struct Mip {
    uint8_t* data;
    int height, width;
  };

  DeviceImage source;
  Mip mips[kMost];
  int count;

  TRTMTCNN_HD void operator()(int i) const {
    const int width = mips[count - 1].width, y = i / width, x = i % width;
    uint8_t bgr[3];
    if (count == 1)
      make<1>(y, x, bgr);
    else if (count == 2)
      make<2>(y, x, bgr);
    else
      make<3>(y, x, bgr);
  }

 private:
  // The pixel after `halvings` of them.
  template <int halvings>
  TRTMTCNN_HD void make(int y, int x, uint8_t bgr[3]) const {
    if constexpr (halvings == 0) {
      const uint8_t* pixel = source.data + y * source.row_stride + ptrdiff_t{3} * x;
      for (int c = 0; c < 3; ++c) bgr[c] = pixel[c];
    } else {
      const Mip& mip = mips[halvings - 1];
      const int height = halvings == 1 ? source.height : mips[halvings == 1 ? 0 : halvings - 2].height;
      const int width = halvings == 1 ? source.width : mips[halvings == 1 ? 0 : halvings - 2].width;
      const int y1 = least(2 * y + 1, height - 1), x1 = least(2 * x + 1, width - 1);
      uint8_t block[4][3];
      make<halvings - 1>(2 * y, 2 * x, block[0]);
      make<halvings - 1>(2 * y, x1, block[1]);
      make<halvings - 1>(y1, 2 * x, block[2]);
      make<halvings - 1>(y1, x1, block[3]);
      uint8_t* out = mip.data + ptrdiff_t{3} * (ptrdiff_t{y} * mip.width + x);
      for (int c = 0; c < 3; ++c)
        out[c] = bgr[c] = static_cast<uint8_t>((block[0][c] + block[1][c] + block[2][c] + block[3][c] + 2) >> 2);
    }
  }
};

// The weights of one output pixel along one axis, as cpu/resample.h defines them. A mip is chosen so that an
// output pixel covers less than two of its pixels, or four in the shorter direction of odd shapes.
struct Taps {
  static constexpr int kMost = 5;
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

// Blends one output pixel's taps; rgb gets R, G, B in levels.
TRTMTCNN_HD void blend(const DeviceImage& image, const Taps& vertical, const Taps& horizontal, float rgb[3]) {
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

// A window of a frame seen through the mip that fits an output of height x width.
struct WindowView {
  const DeviceImage* image;
  double scale;  // 1 / 2^mip

  TRTMTCNN_HD WindowView(const DeviceFrame& frame, bool area, double window_height, double window_width, int height,
                         int width) {
    int level = 0;
    scale = 1;
    if (area) {
      while (level < frame.mip_count - 1 && window_height >= 2.0 * height && window_width >= 2.0 * width) {
        window_height /= 2;
        window_width /= 2;
        scale /= 2;
        ++level;
      }
    }
    image = &frame.mips[level];
  }
};

// A frame resized to uint8, for frames that are worked on at another size.
struct ResizeFrame {
  const DeviceFrame* frame;
  bool area;
  uint8_t* out;
  int height, width;

  TRTMTCNN_HD void operator()(int i) const {
    const int y = i / width, x = i % width;
    const int h = frame->mips[0].height, w = frame->mips[0].width;
    const WindowView view(*frame, area, h, w, height, width);
    Taps vertical, horizontal;
    vertical.set(area, 0, h * view.scale, height, y, h * view.scale, view.image->height);
    horizontal.set(area, 0, w * view.scale, width, x, w * view.scale, view.image->width);
    float rgb[3];
    blend(*view.image, vertical, horizontal, rgb);
    for (int c = 0; c < 3; ++c)
      out[ptrdiff_t{3} * i + c] = static_cast<uint8_t>(clamped(rgb[2 - c] + 0.5f, 0.0f, 255.0f));
  }
};

TRTMTCNN_HD float normalised(float level) { return (level - kPixelMean) * kPixelScale; }

}  // namespace trtmtcnn::cuda
