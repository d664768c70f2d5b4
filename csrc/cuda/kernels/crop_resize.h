// Crops with zeros outside the frame, resized, as R-Net's, O-Net's and L-Net's input.
#pragma once

#include "cuda/kernels/box_set.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/net_input.h"
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

// One pixel of these crops and of their mirror images, or of mirror images alone.
struct CropResize {
  const DeviceFrame* frames;
  DeviceBoxes boxes;
  int begin;
  int side;
  const Taps* taps;
  int flipped;    // crop i's mirror image is crop flipped + i; 0: there are none
  bool mirrored;  // crops are mirror images themselves
  NetInput out;

  TRTMTCNN_HD void operator()(int i) const {
    const int plane = side * side;
    const int n = i / plane, y = i % plane / side, x = i % side;
    if (begin + n >= boxes.size() || !has_pixel(boxes.data[begin + n])) return;
    const Taps* rows = taps + ptrdiff_t{2} * side * n;
    float rgb[3];
    blend(frames[boxes.data[begin + n].frame], rows[y], rows[side + x], rgb);
    out.write(n, plane, y * side + (mirrored ? side - 1 - x : x), rgb);
    if (flipped) out.write(flipped + n, plane, y * side + side - 1 - x, rgb);
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
  int flipped;   // face i's mirror image is face flipped + i; 0: there are none
  NetInput out;  // kPoints pictures a face

  TRTMTCNN_HD void operator()(int i) const {
    const int plane = side * side;
    const int patch = i / plane, y = i % plane / side, x = i % side, n = patch / kPoints, k = patch % kPoints;
    if (begin + n >= boxes.size()) return;
    const Taps* rows = taps + ptrdiff_t{2} * side * patch;
    float rgb[3];
    blend(frames[boxes.data[begin + n].frame], rows[y], rows[side + x], rgb);
    out.write(patch, plane, y * side + x, rgb);
    if (flipped) out.write((flipped + n) * kPoints + HeadOutputs::opposite(k), plane, y * side + side - 1 - x, rgb);
  }
};

}  // namespace trtmtcnn::cuda
