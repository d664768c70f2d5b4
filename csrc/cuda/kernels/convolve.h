// Convolutions by one thread: a block of pixels by a few output channels, whose sums stay in registers.
//
// Maps lie in groups of four channels, (group, row, column, 4): a thread reads the four of a pixel at once, and threads
// that lie side by side read side by side. All threads of a warp read the same weights, of which each serves all pixels
// of the block: the first-level cache gives one to the whole warp at a time.
#pragma once

#include <cstddef>

#include "cuda/kernels/four.h"
#include "cuda/nets/device_net.h"
#include "host_device.h"

#ifdef __CUDA_ARCH__
#define TRTMTCNN_UNROLL _Pragma("unroll")
#define TRTMTCNN_LOOP _Pragma("unroll 1")
#else
#define TRTMTCNN_UNROLL
#define TRTMTCNN_LOOP
#endif

namespace trtmtcnn::cuda {

TRTMTCNN_HD float prelu(float v, float slope) { return v > 0 ? v : v * slope; }

constexpr int groups_of(int channels) { return (channels + 3) / 4; }

// A map from the first pixel that a block reads on. What lies beyond the last row or column is not read: the last is,
// in its place.
struct MapBlock {
  const float* at;
  ptrdiff_t group;  // floats from one group of channels to the next
  int row;          // floats from row to row
  int last_row, last_column;
};

// Sums of kRows x kColumns pixels and kOutputs channels.
template <int kRows, int kColumns, int kOutputs>
struct Sums {
  float at[kRows][kColumns][kOutputs];

  TRTMTCNN_HD void set(const float* bias) {
    TRTMTCNN_UNROLL
    for (int o = 0; o < kOutputs; o += 4) {
      const Four four = load_four(bias + o);
      TRTMTCNN_UNROLL
      for (int r = 0; r < kRows; ++r) {
        TRTMTCNN_UNROLL
        for (int c = 0; c < kColumns; ++c) {
          TRTMTCNN_UNROLL
          for (int i = 0; i < 4; ++i)
            if (o + i < kOutputs) at[r][c][o + i] = four.at[i];
        }
      }
    }
  }

  TRTMTCNN_HD void activate(const float* slope) {
    TRTMTCNN_UNROLL
    for (int o = 0; o < kOutputs; o += 4) {
      const Four four = load_four(slope + o);
      TRTMTCNN_UNROLL
      for (int r = 0; r < kRows; ++r) {
        TRTMTCNN_UNROLL
        for (int c = 0; c < kColumns; ++c) {
          TRTMTCNN_UNROLL
          for (int i = 0; i < 4; ++i)
            if (o + i < kOutputs) at[r][c][o + i] = prelu(at[r][c][o + i], four.at[i]);
        }
      }
    }
  }

  // Channels o to o + 3 of a pixel; zeros beyond the last.
  TRTMTCNN_HD Four four(int r, int c, int o) const {
    Four out;
    TRTMTCNN_UNROLL
    for (int i = 0; i < 4; ++i) out.at[i] = o + i < kOutputs ? at[r][c][o + i] : 0;
    return out;
  }
};

// Adds one group of input channels, of which kChannels are there. weights: of that group and of the first output;
// `outputs`: floats from one input's weights to the next.
template <int kKernel, int kChannels, int kRows, int kColumns, int kOutputs>
TRTMTCNN_HD void add_group(const float* map, const MapBlock& block, const float* weights, int outputs,
                           Sums<kRows, kColumns, kOutputs>& sums) {
  TRTMTCNN_LOOP
  for (int x = 0; x < kKernel; ++x) {
    Four in[kRows + kKernel - 1][kColumns];
    TRTMTCNN_UNROLL
    for (int r = 0; r < kRows + kKernel - 1; ++r) {
      TRTMTCNN_UNROLL
      for (int c = 0; c < kColumns; ++c)
        in[r][c] = load_four(map + min(r, block.last_row) * block.row + 4 * min(x + c, block.last_column));
    }
    TRTMTCNN_UNROLL
    for (int y = 0; y < kKernel; ++y) {
      TRTMTCNN_UNROLL
      for (int i = 0; i < kChannels; ++i) {
        const float* from = weights + ((y * kKernel + x) * 4 + i) * outputs;
        TRTMTCNN_UNROLL
        for (int o = 0; o < kOutputs; o += 4) {
          const Four weight = load_four(from + o);
          TRTMTCNN_UNROLL
          for (int r = 0; r < kRows; ++r) {
            TRTMTCNN_UNROLL
            for (int c = 0; c < kColumns; ++c) {
              TRTMTCNN_UNROLL
              for (int k = 0; k < 4; ++k)
                if (o + k < kOutputs) sums.at[r][c][o + k] += in[r + y][c].at[i] * weight.at[k];
            }
          }
        }
      }
    }
  }
}

// A block of a convolution, with bias and PReLU, of output channels [first, first + kOutputs) of `outputs`.
template <int kIn, int kKernel, int kRows, int kColumns, int kOutputs>
TRTMTCNN_HD Sums<kRows, kColumns, kOutputs> convolve(const MapBlock& block, const LayerWeights& layer, int first,
                                                     int outputs) {
  Sums<kRows, kColumns, kOutputs> sums;
  sums.set(layer.bias + first);
  const float* map = block.at;
  const float* weights = layer.weights + first;
  TRTMTCNN_LOOP
  for (int g = 0; g < kIn / 4; ++g, map += block.group, weights += kKernel * kKernel * 4 * outputs)
    add_group<kKernel, 4>(map, block, weights, outputs, sums);
  if constexpr (kIn % 4 > 0) add_group<kKernel, kIn % 4>(map, block, weights, outputs, sums);
  sums.activate(layer.slope + first);
  return sums;
}

}  // namespace trtmtcnn::cuda
