// Frames on the device, and their mips.
#pragma once

#include <cstddef>

#include "host_device.h"
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

// One pixel of the last of up to three successive mips, and those of the mips before that it is made of: a launch makes
// three mips. See Kernels::halve_row.
struct Halve {
  static constexpr int kMost = 3;
  struct Mip {
    uint8_t* data;
    int height, width;
  };

  DeviceImage source;
  Mip mips[kMost];
  int count;

  TRTMTCNN_HD void operator()(int64_t i) const {
    const int width = mips[count - 1].width, y = static_cast<int>(i / width), x = static_cast<int>(i % width);
    uint8_t bgr[3];
    if (count == 1)
      make<1>(y, x, bgr);
    else if (count == 2)
      make<2>(y, x, bgr);
    else
      make<3>(y, x, bgr);
  }

 private:
  // The pixel after `halvings` of them.
  template <int halvings>
  TRTMTCNN_HD void make(int y, int x, uint8_t bgr[3]) const {
    if constexpr (halvings == 0) {
      const uint8_t* pixel = source.data + y * source.row_stride + ptrdiff_t{3} * x;
      for (int c = 0; c < 3; ++c) bgr[c] = pixel[c];
    } else {
      const Mip& mip = mips[halvings - 1];
      const int height = halvings == 1 ? source.height : mips[halvings == 1 ? 0 : halvings - 2].height;
      const int width = halvings == 1 ? source.width : mips[halvings == 1 ? 0 : halvings - 2].width;
      const int y1 = min(2 * y + 1, height - 1), x1 = min(2 * x + 1, width - 1);
      uint8_t block[4][3];
      make<halvings - 1>(2 * y, 2 * x, block[0]);
      make<halvings - 1>(2 * y, x1, block[1]);
      make<halvings - 1>(y1, 2 * x, block[2]);
      make<halvings - 1>(y1, x1, block[3]);
      uint8_t* out = mip.data + ptrdiff_t{3} * (ptrdiff_t{y} * mip.width + x);
      for (int c = 0; c < 3; ++c)
        out[c] = bgr[c] = static_cast<uint8_t>((block[0][c] + block[1][c] + block[2][c] + block[3][c] + 2) >> 2);
    }
  }
};

}  // namespace trtmtcnn::cuda
