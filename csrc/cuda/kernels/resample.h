// Windows of frames at another size: what each output pixel is made of, and the blending.
#pragma once

#include <cstddef>

#include "cuda/device_functions.h"
#include "cuda/kernels/frame.h"
#include "networks.h"
#include "taps.h"

namespace trtmtcnn::cuda {

// The weights of one output pixel along one axis. A mip is chosen so that an output pixel covers less than two of its
// pixels; in the other direction of odd shapes it may cover any number. All but the first and the last count alike.
struct Taps {
  int mip;
  int first;
  int count;
  float weight_of_first, weight_of_inner, weight_of_last;

  TRTMTCNN_HD float weight(int tap) const {
    return tap == 0 ? weight_of_first : (tap == count - 1 ? weight_of_last : weight_of_inner);
  }

  TRTMTCNN_HD void set(const ResizedAxis& axis, int i) {
    const TapSpan span = axis.span(i);
    first = clamp(span.begin, 0, axis.area ? axis.pixels : axis.pixels - 1);
    const int begin = max(span.begin, 0);
    count = max(0, min(span.end, axis.pixels) - begin);
    weight_of_first = count > 0 ? span.weight<float>(begin) : 0;
    weight_of_inner = count > 2 ? span.weight<float>(begin + 1) : 0;
    weight_of_last = count > 1 ? span.weight<float>(begin + count - 1) : 0;
  }
};

// The taps of a window resized to `out`: of row i or, from i = out.height on, of column i - out.height. They are
// computed once and not for each pixel, as most GPUs are slow at doubles.
TRTMTCNN_HD Taps taps_of(const DeviceFrame& frame, bool area, const SourceWindow& window, Size out, int i) {
  Taps taps;
  taps.mip = area ? mip_level(window.height, window.width, out, frame.mip_count - 1) : 0;
  const double scale = mip_scale(taps.mip);
  const DeviceImage &whole = frame.mips[0], &image = frame.mips[taps.mip];
  if (i < out.height)
    taps.set(
        {area, window.y * scale, window.height * scale, out.height, whole.height * scale, image.height, window.open},
        i);
  else
    taps.set({area, window.x * scale, window.width * scale, out.width, whole.width * scale, image.width, window.open},
             i - out.height);
  return taps;
}

// Blends one output pixel's taps; rgb gets R, G, B from 0 to 255.
TRTMTCNN_HD void blend(const DeviceFrame& frame, const Taps& vertical, const Taps& horizontal, float rgb[3]) {
  const DeviceImage& image = frame.mips[vertical.mip];
  rgb[0] = rgb[1] = rgb[2] = 0;
  for (int v = 0; v < vertical.count; ++v) {
    const uint8_t* pixel =
        image.data + (ptrdiff_t{vertical.first} + v) * image.row_stride + ptrdiff_t{3} * horizontal.first;
    float row[3] = {0, 0, 0};
    for (int h = 0; h < horizontal.count; ++h, pixel += 3)
      for (int c = 0; c < 3; ++c) row[c] += horizontal.weight(h) * static_cast<float>(pixel[c]);
    for (int c = 0; c < 3; ++c) rgb[2 - c] += vertical.weight(v) * row[c];
  }
}

// A level from 0 to 255 as the networks take it.
TRTMTCNN_HD float normalised(float level) { return (level - kPixelMean) * kPixelScale; }

// The taps of a whole frame's rows and columns.
struct ResizeTaps {
  const DeviceFrame* frame;
  bool area;
  Size size;
  Taps* taps;

  TRTMTCNN_HD void operator()(int i) const { taps[i] = taps_of(*frame, area, frame->window(), size, i); }
};

// A frame resized to uint8, for frames that are worked on at another size.
struct ResizeFrame {
  const DeviceFrame* frame;
  const Taps* taps;
  uint8_t* out;
  Size size;

  TRTMTCNN_HD void operator()(int64_t i) const {
    const int y = static_cast<int>(i / size.width), x = static_cast<int>(i % size.width);
    float rgb[3];
    blend(*frame, taps[y], taps[size.height + x], rgb);
    for (int c = 0; c < 3; ++c) out[3 * i + c] = to_byte(rgb[2 - c] + 0.5f);
  }
};

}  // namespace trtmtcnn::cuda
