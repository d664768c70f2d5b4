// Crops for R-Net and O-Net, and what they say of the boxes.
#pragma once

#include "answers.h"
#include "cuda/kernels/boxes.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/resample.h"

namespace trtmtcnn::cuda {

// The taps of the rows and columns of the crops of the squares from `begin` on, where there are any.
struct CropTaps {
  const DeviceFrame* frames;
  BoxSet boxes;
  int begin;
  int side;
  bool area;
  Taps* taps;  // 2 * side a crop

  TRTMTCNN_HD static int pixel(float v) { return static_cast<int>(clamped(v, -1e6f, 1e6f)); }

  TRTMTCNN_HD void operator()(int i) const {
    const int n = begin + i / (2 * side);
    if (n >= boxes.size() || !has_pixel(boxes.data[n])) return;
    const DeviceBox& box = boxes.data[n];
    const int x = pixel(box.x1), y = pixel(box.y1);
    const int w = most(x, pixel(box.x2)) - x + 1, h = most(y, pixel(box.y2)) - y + 1;
    taps[i] = taps_of(frames[box.frame], area, y, x, h, w, side, side, i % (2 * side));
  }
};

// One pixel of these crops, with zeros outside the frame, and of their mirror images.
struct CropResize {
  const DeviceFrame* frames;
  BoxSet boxes;
  int begin;
  int side;
  const Taps* taps;
  int mirrored;  // crop i's mirror image is crop mirrored + i; 0: none
  float* out;    // (n, 3, side, side)

  TRTMTCNN_HD void operator()(int i) const {
    const int plane = side * side;
    const int n = i / plane, y = i % plane / side, x = i % side;
    if (begin + n >= boxes.size() || !has_pixel(boxes.data[begin + n])) return;
    const Taps* rows = taps + ptrdiff_t{2} * side * n;
    float rgb[3];
    blend(frames[boxes.data[begin + n].frame], rows[y], rows[side + x], rgb);
    float* crop = out + ptrdiff_t{3} * plane * n + y * side;
    for (int c = 0; c < 3; ++c) crop[c * plane + x] = normalised(rgb[c]);
    if (!mirrored) return;
    crop += ptrdiff_t{3} * plane * mirrored;
    for (int c = 0; c < 3; ++c) crop[c * plane + side - 1 - x] = normalised(rgb[c]);
  }
};

// One box of a batch: goes on where its score reaches the threshold.
struct Refine {
  BoxSet from;
  int begin;
  Answers answers;
  float threshold;
  bool inclusive_landmarks;
  BoxSet to;

  TRTMTCNN_HD void operator()(int i) const {
    if (begin + i >= from.size()) return;
    const float score = answers.score(i);
    if (!(score >= threshold)) return;
    DeviceBox box = from.data[begin + i];
    if (!has_pixel(box)) return;
    const float w = box.width(), h = box.height();
    box.score = score;
    for (int k = 0; k < 4; ++k) box.regression[k] = answers.side(i, k) * (k % 2 == 0 ? w : h);
    box.level = 0;
    if (answers.landmarks) {
      const float inset = inclusive_landmarks ? 0 : 1;
      for (int k = 0; k < kPoints; ++k) {
        box.landmarks[k] = box.x1 + (w - inset) * answers.point_x(i, k);
        box.landmarks[k + kPoints] = box.y1 + (h - inset) * answers.point_y(i, k);
      }
    }
    to.data[atomic_add(to.count, 1)] = box;  // never more than there were
  }
};

}  // namespace trtmtcnn::cuda
