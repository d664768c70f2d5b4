// The set of boxes that a call carries from stage to stage, and the arithmetic on one box.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "types.h"

namespace trtmtcnn::cpu {

struct Box {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;  // inclusive pixels
  float score = 0;
  std::array<float, 4> regression{};  // pending, in pixels
  int frame = 0;
  int level = 0;
  int order = 0;  // among equal scores the lower (level, order) wins

  float width() const { return x2 - x1 + 1; }
  float height() const { return y2 - y1 + 1; }
};

using Landmarks = std::array<float, kLandmarks>;

inline void regress(Box& b) {
  b.x1 += b.regression[0];
  b.y1 += b.regression[1];
  b.x2 += b.regression[2];
  b.y2 += b.regression[3];
}

// Intersection over union, or over the smaller area.
inline float overlap(const Box& a, const Box& b, Overlap kind) {
  const float w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1) + 1;
  const float h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1) + 1;
  if (w <= 0 || h <= 0) return -1;  // below any threshold
  const float common = w * h;
  const float area_a = a.width() * a.height(), area_b = b.width() * b.height();
  return common / (kind == Overlap::kMin ? std::min(area_a, area_b) : area_a + area_b - common);
}

inline bool has_area(const Box& b) { return b.width() > 0 && b.height() > 0; }  // false for NaN, too

inline void truncate(Box& b) {
  b.x1 = std::trunc(b.x1);
  b.y1 = std::trunc(b.y1);
  b.x2 = std::trunc(b.x2);
  b.y2 = std::trunc(b.y2);
}

// The square about the box's centre, `scale` times as large, in whole pixels: what is cropped is what regression
// refers to. Truncating each side can leave it a pixel off square; rounding keeps it square.
inline void make_square(Box& b, bool truncating, float scale) {
  const float w = b.width(), h = b.height(), side = std::max(w, h) * scale;
  b.x1 += (w - side) * 0.5f;
  b.y1 += (h - side) * 0.5f;
  b.x2 = b.x1 + side - 1;
  b.y2 = b.y1 + side - 1;
  if (truncating) return truncate(b);
  const float whole_side = std::max(1.0f, std::floor(side + 0.5f));
  b.x1 = std::floor(b.x1 + 0.5f);
  b.y1 = std::floor(b.y1 + 0.5f);
  b.x2 = b.x1 + whole_side - 1;
  b.y2 = b.y1 + whole_side - 1;
}

inline float clip(float v, int n) { return std::clamp(v, 0.0f, static_cast<float>(n - 1)); }

inline void clip(Box& b, Size frame) {
  b.x1 = clip(b.x1, frame.width);
  b.y1 = clip(b.y1, frame.height);
  b.x2 = clip(b.x2, frame.width);
  b.y2 = clip(b.y2, frame.height);
}

// The pixels of a box of whole pixels; what is far outside any picture stays where it is safe to add.
inline CropWindow crop_window(const Box& b) {
  const auto pixel = [](float v) { return static_cast<int>(std::clamp(v, -1e6f, 1e6f)); };
  const int x1 = pixel(b.x1), y1 = pixel(b.y1);
  return {x1, y1, std::max(x1, pixel(b.x2)), std::max(y1, pixel(b.y2))};
}

}  // namespace trtmtcnn::cpu
