// What the networks' heads give, in the device's memory.
#pragma once

#include <cmath>

#include "box.h"
#include "host_device.h"
#include "networks.h"
#include "types.h"

namespace trtmtcnn {

// Whether a network's output can be one: NaN, infinity and a million sides of a box come of weights that overflow.
TRTMTCNN_HD bool is_plausible(float v) { return v >= -1e6f && v <= 1e6f; }

// The softmax's probability of "face"; margin: its logit less that of "not face".
TRTMTCNN_HD float face_probability(float margin) { return 1.0f / (1.0f + expf(-margin)); }

// Whether the score reaches the threshold, and it and the regression can be a network's.
TRTMTCNN_HD bool is_face(float score, float threshold, const float (&regression)[4]) {
  bool plausible = score >= threshold && is_plausible(score);
  for (const float r : regression) plausible = plausible && is_plausible(r);
  return plausible;
}

// P-Net's outputs for canvases of one size.
struct GridOutputs {
  const float* prob;        // (n, 2, height, width): not face, face
  const float* regression;  // (n, 4, height, width): dx1, dy1, dx2, dy2 in sides of the cell
  int height, width;
};

// L-Net sees a square of a quarter of the box's longer side about each landmark. What moves one by more than about a
// third of it is ignored. As in the authors' detect_face.m,
// https://github.com/kpzhang93/MTCNN_face_detection_alignment.
inline constexpr float kPatchShare = 0.25f;
inline constexpr float kMostPatchShift = 0.35f;

// Landmarks count from the picture's edge, as windows do: a pixel's centre is at half a pixel.
TRTMTCNN_HD float patch_side(const Box& box) { return clamp(kPatchShare * max(box.width(), box.height()), 1.0f, 1e6f); }

TRTMTCNN_HD SourceWindow landmark_patch(const Box& box, const float* landmarks, int k) {
  const double side = patch_side(box);
  return {clamp(landmarks[k], -1e6f, 1e6f) - side / 2, clamp(landmarks[kPoints + k], -1e6f, 1e6f) - side / 2, side};
}

// R-Net's, O-Net's or L-Net's outputs for a batch, each averaged with that of its mirror image where there is one.
struct HeadOutputs {
  const float* prob;        // (n, 2): not face, face; null of L-Net
  const float* regression;  // (n, 4): dx1, dy1, dx2, dy2 in sides of the box; null of L-Net
  const float* landmarks;   // (n, 10): x1..x5, y1..y5 in sides of the box or patch; may be null
  int flipped;              // crop i's mirror image is crop flipped + i; 0: there are none
  bool mirrored = false;    // there are mirror images alone

  TRTMTCNN_HD float score(int i) const {
    const float p = prob[2 * i + 1];
    return flipped ? (p + prob[2 * (flipped + i) + 1]) * 0.5f : p;
  }

  // The left side of a mirror image is the right side of the crop, and moves the other way.
  TRTMTCNN_HD float side_regression(int i, int k) const {
    const float r = regression[4 * i + k];
    if (mirrored) return k % 2 == 0 ? -regression[4 * i + 2 - k] : r;
    if (!flipped) return r;
    const float* m = regression + 4 * (flipped + i);
    return k % 2 == 0 ? (r - m[2 - k]) * 0.5f : (r + m[k]) * 0.5f;
  }

  TRTMTCNN_HD float landmark_x(int i, int k) const {
    if (mirrored) return 1 - landmarks[kLandmarks * i + opposite(k)];
    const float x = landmarks[kLandmarks * i + k];
    return flipped ? (x + 1 - landmarks[kLandmarks * (flipped + i) + opposite(k)]) * 0.5f : x;
  }

  TRTMTCNN_HD float landmark_y(int i, int k) const {
    if (mirrored) return landmarks[kLandmarks * i + kPoints + opposite(k)];
    const float y = landmarks[kLandmarks * i + kPoints + k];
    return flipped ? (y + landmarks[kLandmarks * (flipped + i) + kPoints + opposite(k)]) * 0.5f : y;
  }

  // Left and right change places: eyes 0 and 1, mouth corners 3 and 4; the nose stays.
  TRTMTCNN_HD static int opposite(int k) { return k == 2 ? 2 : (k < 2 ? 1 - k : 7 - k); }

  // Moves a face's landmarks, in pixels, to where L-Net says in the patches about them.
  TRTMTCNN_HD void move_landmarks(int i, const Box& box, float* points) const {
    const float side = patch_side(box);
    for (int k = 0; k < kPoints; ++k) {
      const float dx = landmark_x(i, k) - 0.5f, dy = landmark_y(i, k) - 0.5f;
      if (!(dx >= -kMostPatchShift && dx <= kMostPatchShift && dy >= -kMostPatchShift && dy <= kMostPatchShift))
        continue;
      points[k] += dx * side;
      points[kPoints + k] += dy * side;
    }
  }

  // Whether crop i is a face: its score reaches the threshold, and all of its outputs can be a network's.
  TRTMTCNN_HD bool accepts(int i, float threshold) const {
    float regression_of_crop[4];
    for (int k = 0; k < 4; ++k) regression_of_crop[k] = side_regression(i, k);
    bool accepted = is_face(score(i), threshold, regression_of_crop);
    for (int k = 0; landmarks && k < kPoints; ++k)
      accepted = accepted && is_plausible(landmark_x(i, k)) && is_plausible(landmark_y(i, k));
    return accepted;
  }

  // Gives crop i's square its score and its regression in pixels.
  TRTMTCNN_HD void apply(int i, Box& box) const {
    box.score = score(i);
    for (int k = 0; k < 4; ++k) box.regression[k] = side_regression(i, k) * (k % 2 == 0 ? box.width() : box.height());
    box.level = 0;
  }

  // Writes crop i's landmarks in pixels, x1..x5, y1..y5. inclusive: they span the square's inclusive side, x2 - x1 + 1
  // pixels, rather than x2 - x1.
  TRTMTCNN_HD void write_landmarks(int i, const Box& square, bool inclusive, float* out) const {
    const float inset = inclusive ? 0 : 1;
    for (int k = 0; k < kPoints; ++k) {
      out[k] = square.x1 + product(square.width() - inset, landmark_x(i, k));
      out[k + kPoints] = square.y1 + product(square.height() - inset, landmark_y(i, k));
    }
  }
};

}  // namespace trtmtcnn
