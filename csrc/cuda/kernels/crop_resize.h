// Crops with zeros outside the frame, resized, as R-Net's, O-Net's and L-Net's input.
#pragma once

#include "cuda/kernels/box_set.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/resample.h"

namespace trtmtcnn::cuda {

// The taps of the rows and columns of the crops of the squares from `begin` on, where those have a pixel.
struct CropTaps {
  const DeviceFrame* frames;
  DeviceBoxes boxes;
  int begin;
  int side;
  bool area;
  Taps* taps;  // 2 * side a crop

  TRTMTCNN_HD void operator()(int i) const {
    const int n = begin + i / (2 * side);
    if (n >= boxes.size() || !has_pixel(boxes.data[n])) return;
    const DeviceBox& box = boxes.data[n];
    taps[i] = taps_of(frames[box.frame], area, crop_window(box), {side, side}, i % (2 * side));
  }
};

// One pixel of these crops and of their mirror images.
struct CropResize {
  const DeviceFrame* frames;
  DeviceBoxes boxes;
  int begin;
  int side;
  const Taps* taps;
  int flipped;  // crop i's mirror image is crop flipped + i; 0: there are none
  float* out;   // (n, 3, side, side)

  TRTMTCNN_HD void operator()(int i) const {
    const int plane = side * side;
    const int n = i / plane, y = i % plane / side, x = i % side;
    if (begin + n >= boxes.size() || !has_pixel(boxes.data[begin + n])) return;
    const Taps* rows = taps + ptrdiff_t{2} * side * n;
    float rgb[3];
    blend(frames[boxes.data[begin + n].frame], rows[y], rows[side + x], rgb);
    float* crop = out + ptrdiff_t{3} * plane * n + y * side;
    for (int c = 0; c < 3; ++c) crop[c * plane + x] = normalised(rgb[c]);
    if (!flipped) return;
    crop += ptrdiff_t{3} * plane * flipped;
    for (int c = 0; c < 3; ++c) crop[c * plane + side - 1 - x] = normalised(rgb[c]);
  }
};

// As CropTaps, of the patches about each box's landmarks.
struct PatchTaps {
  const DeviceFrame* frames;
  DeviceBoxes boxes;
  int begin;
  int side;
  bool area;
  Taps* taps;  // 2 * side a patch

  TRTMTCNN_HD void operator()(int i) const {
    const int patch = i / (2 * side), n = begin + patch / kPoints;
    if (n >= boxes.size()) return;
    const DeviceBox& box = boxes.data[n];
    taps[i] = taps_of(frames[box.frame], area, landmark_patch(box, box.landmarks, patch % kPoints), {side, side},
                      i % (2 * side));
  }
};

// One pixel of these patches and of their mirror images, in which left and right change places.
struct PatchResize {
  const DeviceFrame* frames;
  DeviceBoxes boxes;
  int begin;
  int side;
  const Taps* taps;
  int flipped;  // face i's mirror image is face flipped + i; 0: there are none
  float* out;   // (n, kPoints, 3, side, side)

  TRTMTCNN_HD void operator()(int i) const {
    const int plane = side * side;
    const int patch = i / plane, y = i % plane / side, x = i % side, n = patch / kPoints, k = patch % kPoints;
    if (begin + n >= boxes.size()) return;
    const Taps* rows = taps + ptrdiff_t{2} * side * patch;
    float rgb[3];
    blend(frames[boxes.data[begin + n].frame], rows[y], rows[side + x], rgb);
    float* to = out + ptrdiff_t{3} * plane * patch + y * side;
    for (int c = 0; c < 3; ++c) to[c * plane + x] = normalised(rgb[c]);
    if (!flipped) return;
    to = out + ptrdiff_t{3} * plane * ((flipped + n) * kPoints + HeadOutputs::opposite(k)) + y * side;
    for (int c = 0; c < 3; ++c) to[c * plane + side - 1 - x] = normalised(rgb[c]);
  }
};

}  // namespace trtmtcnn::cuda
