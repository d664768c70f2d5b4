// Pixels as the networks' first layers read them.
#pragma once

#include <cstddef>

#include "cuda/kernels/four.h"
#include "cuda/kernels/half.h"
#include "cuda/kernels/resample.h"

namespace trtmtcnn::cuda {

enum class InputLayout {
  kPlanes,       // TensorRT's: (n, 3, pixels)
  kPixels,       // of kernels of our own: (n, pixels, 4), of which the fourth is not read
  kHalfPixels,   // the same in float16
  kSplitPixels,  // as sums of two float16: the four first ones, then the second ones
};

struct NetInput {
  void* data;
  InputLayout layout;

  // Pixel `pixel` of a picture of `pixels`; rgb from 0 to 255.
  TRTMTCNN_HD void write(int picture, int pixels, int pixel, const float rgb[3]) const {
    if (layout == InputLayout::kPlanes) {
      float* out = static_cast<float*>(data) + ptrdiff_t{3} * pixels * picture + pixel;
      for (int c = 0; c < 3; ++c) out[c * pixels] = normalised(rgb[c]);
    } else {
      write(ptrdiff_t{pixels} * picture + pixel, {{normalised(rgb[0]), normalised(rgb[1]), normalised(rgb[2]), 0}});
    }
  }

  // Pixel i of all pictures, where its channels lie together.
  TRTMTCNN_HD void write(ptrdiff_t i, const Four& channels) const {
    if (layout == InputLayout::kPixels)
      store_four(static_cast<float*>(data) + 4 * i, channels);
    else if (layout == InputLayout::kHalfPixels)
      store_four(static_cast<Half*>(data) + 4 * i, channels);
    else
      store_pixel<4>(static_cast<TwoHalves*>(data), i, 0, channels);
  }
};

}  // namespace trtmtcnn::cuda
