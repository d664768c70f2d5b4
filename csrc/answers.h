// What R-Net or O-Net said of a batch of crops, and of their mirror images if these were asked about, too.
#pragma once

#include "types.h"

#ifdef __CUDACC__
#define TRTMTCNN_ANSWERS __host__ __device__
#else
#define TRTMTCNN_ANSWERS
#endif

namespace trtmtcnn {

struct Answers {
  const float* prob;        // (n, 2): not face, face
  const float* regression;  // (n, 4): dx1, dy1, dx2, dy2 in sides of the box
  const float* landmarks;   // (n, 10): x1..x5, y1..y5 in sides of the box; may be null
  int mirrored;             // crop i's mirror image is crop mirrored + i; 0: there are none

  TRTMTCNN_ANSWERS float score(int i) const {
    const float p = prob[2 * i + 1];
    return mirrored ? (p + prob[2 * (mirrored + i) + 1]) * 0.5f : p;
  }

  // A mirrored box's left side is the right one, and moves the other way.
  TRTMTCNN_ANSWERS float side(int i, int k) const {
    const float r = regression[4 * i + k];
    if (!mirrored) return r;
    const float* m = regression + 4 * (mirrored + i);
    return k % 2 == 0 ? (r - m[2 - k]) * 0.5f : (r + m[k]) * 0.5f;
  }

  TRTMTCNN_ANSWERS float point_x(int i, int k) const {
    const float x = landmarks[kLandmarks * i + k];
    return mirrored ? (x + 1 - landmarks[kLandmarks * (mirrored + i) + opposite(k)]) * 0.5f : x;
  }

  TRTMTCNN_ANSWERS float point_y(int i, int k) const {
    const float y = landmarks[kLandmarks * i + kPoints + k];
    return mirrored ? (y + landmarks[kLandmarks * (mirrored + i) + kPoints + opposite(k)]) * 0.5f : y;
  }

  // Left and right change places: eyes 0 and 1, mouth corners 3 and 4; the nose stays.
  TRTMTCNN_ANSWERS static int opposite(int k) { return k == 2 ? 2 : (k < 2 ? 1 - k : 7 - k); }
};

}  // namespace trtmtcnn
