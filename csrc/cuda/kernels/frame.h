// Frames on the device, and their mips.
#pragma once

#include <cstddef>

#include "cuda/device_functions.h"
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

  TRTMTCNN_HD CropWindow window() const { return {0, 0, mips[0].width - 1, mips[0].height - 1}; }
};

// Makes up to three successive mips of each frame: one pixel of the last of them, and those of the others that it is
// made of. See Kernels::halve_row.
struct Halve {
  static constexpr int kMost = 3;

  const DeviceFrame* frames;
  const int64_t* starts;  // the first thread of each frame; those without such mips have none
  int frame_count;
  int from;  // the mip that they are made of

  TRTMTCNN_HD void operator()(int64_t i) const {
    const int f = segment_of(starts, frame_count, i);
    const DeviceImage* mips = frames[f].mips + from;
    const int count = min(kMost, frames[f].mip_count - 1 - from);
    const int64_t pixel = i - starts[f];
    const int y = static_cast<int>(pixel / mips[count].width), x = static_cast<int>(pixel % mips[count].width);
    uint8_t bgr[3];
    if (count == 1)
      make<1>(mips, y, x, bgr);
    else if (count == 2)
      make<2>(mips, y, x, bgr);
    else
      make<3>(mips, y, x, bgr);
  }

 private:
  // The pixel after `halvings` of them.
  template <int halvings>
  TRTMTCNN_HD static void make(const DeviceImage* mips, int y, int x, uint8_t bgr[3]) {
    if constexpr (halvings == 0) {
      const uint8_t* pixel = mips[0].data + y * mips[0].row_stride + ptrdiff_t{3} * x;
      for (int c = 0; c < 3; ++c) bgr[c] = pixel[c];
    } else {
      const DeviceImage &mip = mips[halvings], &larger = mips[halvings - 1];
      const int y1 = min(2 * y + 1, larger.height - 1), x1 = min(2 * x + 1, larger.width - 1);
      uint8_t block[4][3];
      make<halvings - 1>(mips, 2 * y, 2 * x, block[0]);
      make<halvings - 1>(mips, 2 * y, x1, block[1]);
      make<halvings - 1>(mips, y1, 2 * x, block[2]);
      make<halvings - 1>(mips, y1, x1, block[3]);
      // All but the first mip are in memory of ours.
      uint8_t* out = const_cast<uint8_t*>(mip.data) + ptrdiff_t{3} * (ptrdiff_t{y} * mip.width + x);
      for (int c = 0; c < 3; ++c)
        out[c] = bgr[c] = static_cast<uint8_t>((block[0][c] + block[1][c] + block[2][c] + block[3][c] + 2) >> 2);
    }
  }
};

}  // namespace trtmtcnn::cuda
