// Resampling along one axis: which source pixels an output pixel is made of, and their weights.
#pragma once

#include <cmath>

#include "host_device.h"
#include "types.h"

namespace trtmtcnn {

// How often a picture is halved, `most` times at most, so that the window keeps at least the output's pixels.
TRTMTCNN_HD int mip_level(double window_height, double window_width, Size out, int most) {
  int level = 0;
  while (level < most && window_height >= 2.0 * out.height && window_width >= 2.0 * out.width) {
    window_height /= 2;
    window_width /= 2;
    ++level;
  }
  return level;
}

// Pixels of a mip per pixel of the picture.
TRTMTCNN_HD double mip_scale(int level) { return 1.0 / static_cast<double>(1u << level); }

// The source pixels [begin, end) of one output pixel, of which some may lie outside the picture.
struct TapSpan {
  int begin, end;
  bool area;
  double from, to;       // what the output pixel covers
  double ratio, extent;  // as in ResizedAxis
  double fraction;       // where nothing is averaged: how far it lies from `begin` towards the next pixel

  // How much of a pixel the output pixel covers; of one outside the span, nothing.
  TRTMTCNN_HD double covered(int pixel) const {
    return max(min(to, min(pixel + 1.0, extent)) - max(from, static_cast<double>(pixel)), 0.0);
  }

  // Real: the precision in which the weight is wanted. Outside the span it is zero.
  template <typename Real>
  TRTMTCNN_HD Real weight(int pixel) const {
    if (area) return static_cast<Real>(covered(pixel) / ratio);
    const Real right = static_cast<Real>(fraction);
    return pixel == begin ? 1 - right : pixel == begin + 1 ? right : 0;
  }
};

// One axis of a window of a picture that is resized to n pixels. kArea averages what each output pixel covers, and
// interpolates where that is less than one pixel; kBilinear interpolates between pixel centres.
struct ResizedAxis {
  double start, length;  // the window in pixels of the source; it may reach outside
  double ratio;          // source pixels per output pixel
  double extent;         // the picture's length in the same pixels, fractional where a mip's last pixel is partial
  int pixels;            // of the source
  bool area;
  bool open;  // interpolates beyond the window's ends, too

  TRTMTCNN_HD ResizedAxis(bool wants_area, double window_start, double window_length, int n, double picture_extent,
                          int source_pixels, bool is_open = false)
      : start(window_start),
        length(window_length),
        ratio(window_length / n),
        extent(picture_extent),
        pixels(source_pixels),
        area(wants_area && ratio >= 1),
        open(is_open) {}

  // The casts are of clamped values, as a window may lie arbitrarily far outside.
  TRTMTCNN_HD TapSpan span(int i) const {
    TapSpan s{0, 0, area, 0, 0, ratio, extent, 0};
    if (area) {
      s.from = start + i * ratio;
      s.to = s.from + ratio;
      s.begin = static_cast<int>(clamp(s.from, 0.0, static_cast<double>(pixels)));
      const double last = clamp(s.to, 0.0, static_cast<double>(pixels));
      s.end = static_cast<int>(last);
      if (s.end < last) ++s.end;
    } else {
      double centre = start + (i + 0.5) * ratio - 0.5;
      if (!open) centre = clamp(centre, start, start + length - 1);
      centre = clamp(centre, -2.0, pixels + 1.0);
      s.begin = static_cast<int>(centre);
      if (s.begin > centre) --s.begin;
      s.fraction = centre - s.begin;
      s.end = s.begin + 2;
    }
    return s;
  }
};

// A level from 0 to 255 of a picture of bytes.
TRTMTCNN_HD uint8_t to_byte(float level) { return static_cast<uint8_t>(clamp(level, 0.0f, 255.0f)); }

}  // namespace trtmtcnn
