// A candidate face, and the arithmetic on boxes.
#pragma once

#include <cmath>
#include <limits>

#include "host_device.h"
#include "networks.h"
#include "types.h"

namespace trtmtcnn {

struct Corners {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;  // inclusive pixels

  TRTMTCNN_HD float width() const { return x2 - x1 + 1; }
  TRTMTCNN_HD float height() const { return y2 - y1 + 1; }
};

struct Box : Corners {
  float score = 0;
  float regression[4] = {};  // dx1, dy1, dx2, dy2 in pixels, not yet added
  int frame = 0;
  int level = 0;
  int order = 0;       // among equal scores the lower (level, order) wins
  int neighbours = 0;  // further boxes of this face that the final suppression averaged with it

  TRTMTCNN_HD void write(float out[5]) const { out[0] = x1, out[1] = y1, out[2] = x2, out[3] = y2, out[4] = score; }
};

// Both are false where a side is NaN.
TRTMTCNN_HD bool has_area(const Corners& b) { return b.width() > 0 && b.height() > 0; }
TRTMTCNN_HD bool has_pixel(const Corners& b) { return b.width() >= 1 && b.height() >= 1; }

// The order of boxes everywhere: by frame, then by falling score, NaN last. cuda/kernels/rank.h has it as keys.
TRTMTCNN_HD bool ranks_before(const Box& a, const Box& b) {
  if (a.frame != b.frame) return a.frame < b.frame;
  if (a.score > b.score) return true;
  if (a.score < b.score) return false;
  if (a.score != b.score && (a.score == a.score) != (b.score == b.score)) return a.score == a.score;
  if (a.level != b.level) return a.level < b.level;
  return a.order < b.order;
}

// Intersection over union, or over the smaller area; -1 where the boxes do not meet.
TRTMTCNN_HD float overlap(const Corners& a, const Corners& b, Overlap kind) {
  const float w = min(a.x2, b.x2) - max(a.x1, b.x1) + 1;
  const float h = min(a.y2, b.y2) - max(a.y1, b.y1) + 1;
  if (w <= 0 || h <= 0) return -1;
  const float common = product(w, h);
  const float area_a = product(a.width(), a.height()), area_b = product(b.width(), b.height());
  return common / (kind == Overlap::kIoMin ? min(area_a, area_b) : area_a + area_b - common);
}

// When a kept box suppresses a candidate of the same frame.
struct SuppressionRule {
  float threshold = 0;
  Overlap kind = Overlap::kIoU;
  Scope scope = Scope::kFrame;

  TRTMTCNN_HD bool suppresses(const Corners& kept, int kept_level, const Corners& candidate, int level) const {
    if (scope == Scope::kLevel && kept_level != level) return false;
    return overlap(kept, candidate, kind) > threshold;
  }
  TRTMTCNN_HD bool suppresses(const Box& kept, const Box& candidate) const {
    return suppresses(kept, kept.level, candidate, candidate.level);
  }
  // Whether anything can suppress it: the overlap by union of others with any box is 0 or NaN.
  TRTMTCNN_HD bool may_suppress(const Corners& candidate) const {
    return kind == Overlap::kIoMin || (has_area(candidate) && product(candidate.width(), candidate.height()) <= kMost);
  }

 private:
  static constexpr float kMost = std::numeric_limits<float>::max();
};

TRTMTCNN_HD void regress(Box& b) {
  b.x1 += b.regression[0];
  b.y1 += b.regression[1];
  b.x2 += b.regression[2];
  b.y2 += b.regression[3];
}

TRTMTCNN_HD void truncate(Box& b) {
  b.x1 = truncf(b.x1);
  b.y1 = truncf(b.y1);
  b.x2 = truncf(b.x2);
  b.y2 = truncf(b.y2);
}

// Makes the box the square about its centre, `scale` times as large, in whole pixels: R-Net and O-Net see those and
// regress from them. Truncating each side can leave the box a pixel off square; rounding keeps it square.
TRTMTCNN_HD void make_square(Box& b, bool truncating, float scale) {
  const float w = b.width(), h = b.height(), side = product(max(w, h), scale);
  b.x1 += (w - side) * 0.5f;
  b.y1 += (h - side) * 0.5f;
  if (truncating) {
    b.x2 = b.x1 + side - 1;
    b.y2 = b.y1 + side - 1;
    truncate(b);
    return;
  }
  const float whole_side = max(1.0f, floorf(side + 0.5f));
  b.x1 = floorf(b.x1 + 0.5f);
  b.y1 = floorf(b.y1 + 0.5f);
  b.x2 = b.x1 + whole_side - 1;
  b.y2 = b.y1 + whole_side - 1;
}

// A coordinate truncated towards zero and clipped to n pixels.
TRTMTCNN_HD float whole_pixel(float v, int n) { return clamp(truncf(v), 0.0f, static_cast<float>(n - 1)); }

TRTMTCNN_HD void truncate_and_clip(Box& b, Size frame) {
  b.x1 = whole_pixel(b.x1, frame.width);
  b.y1 = whole_pixel(b.y1, frame.height);
  b.x2 = whole_pixel(b.x2, frame.width);
  b.y2 = whole_pixel(b.y2, frame.height);
}

// landmarks: x1..x5, y1..y5.
TRTMTCNN_HD void truncate_and_clip(float* landmarks, Size frame) {
  for (int k = 0; k < kLandmarks; ++k)
    landmarks[k] = whole_pixel(landmarks[k], k < kPoints ? frame.width : frame.height);
}

// The pixels of a box of whole pixels. What lies farther than a million pixels outside is moved there, so that an int
// holds it.
TRTMTCNN_HD int crop_pixel(float v) { return static_cast<int>(clamp(v, -1e6f, 1e6f)); }

TRTMTCNN_HD CropWindow crop_window(const Box& b) {
  const int x1 = crop_pixel(b.x1), y1 = crop_pixel(b.y1);
  return {x1, y1, max(x1, crop_pixel(b.x2)), max(y1, crop_pixel(b.y2))};
}

// The window of a P-Net cell in the frame. regression: dx1, dy1, dx2, dy2 in sides of the cell.
TRTMTCNN_HD Box cell_window(const Level& level, int level_index, int cell_x, int cell_y, float score,
                            const float (&regression)[4]) {
  Box box;
  box.x1 = static_cast<float>(kStride * cell_x / level.scale_x);
  box.y1 = static_cast<float>(kStride * cell_y / level.scale_y);
  box.x2 = static_cast<float>((kStride * cell_x + kCell - 1) / level.scale_x);
  box.y2 = static_cast<float>((kStride * cell_y + kCell - 1) / level.scale_y);
  box.score = score;
  for (int k = 0; k < 4; ++k)
    box.regression[k] = static_cast<float>(kCell * regression[k] / (k % 2 == 0 ? level.scale_x : level.scale_y));
  box.frame = level.frame;
  box.level = level_index;
  box.order = cell_y * grid_cells(level.size.width) + cell_x;
  return box;
}

// Adds a box's sides, times `weight`, to those of a sum.
TRTMTCNN_HD void add_sides(Box& sum, const Box& b, float weight) {
  sum.x1 += product(weight, b.x1);
  sum.y1 += product(weight, b.y1);
  sum.x2 += product(weight, b.x2);
  sum.y2 += product(weight, b.y2);
}

// A face's score once its neighbours have voted: each of them, three at most, takes the share `vote` from what the
// score lacks of 1.
TRTMTCNN_HD float voted_score(const Box& b, float vote) {
  float lack = 1 - b.score;
  for (int k = 0; k < min(b.neighbours, 3); ++k) lack *= 1 - vote;
  return 1 - lack;
}

// Gives a box the mean of a network's outputs for it and for another view of it: score and pending regression.
TRTMTCNN_HD void average_outputs(Box& box, const Box& view) {
  box.score = (box.score + view.score) * 0.5f;
  for (int k = 0; k < 4; ++k) box.regression[k] = (box.regression[k] + view.regression[k]) * 0.5f;
}

TRTMTCNN_HD void average_landmarks(float* landmarks, const float* view) {
  for (int k = 0; k < kLandmarks; ++k) landmarks[k] = (landmarks[k] + view[k]) * 0.5f;
}

TRTMTCNN_HD void add_landmarks(float* sum, const float* landmarks, float weight) {
  for (int k = 0; k < kLandmarks; ++k) sum[k] += product(weight, landmarks[k]);
}

}  // namespace trtmtcnn
