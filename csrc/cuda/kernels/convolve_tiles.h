// Convolutions in float16 by a warp's products of tiles.
//
// A row of tiles is a pixel of the output, a column a channel, and what is summed over are the pixels under the kernel,
// 16 channels of each at a time. Maps lie in groups of 16 channels, (group, row, column, 16), a network's input as
// (row, column, 4): then a step takes four pixels. The order in which a step sums its inputs is any, if only both sides
// have the same: so each lane reads four channels that lie side by side, and so lie the four of the output that it has.
//
// Float16 rounds a network's outputs by about 1e-3, and where a score or an overlap comes near a threshold that decides
// whether a box is there, looked at again, or averaged with others. So the networks that have scores, all but L-Net,
// have `TwoHalves` as values: a product is three, first times first, first times second and second times first.
#pragma once

#include <cstddef>

#include "cuda/kernels/convolve.h"
#include "cuda/kernels/half.h"
#include "cuda/kernels/tile_product.h"
#include "cuda/nets/device_net.h"
#include "cuda/nets/tile_layout.h"
#include "cuda/warp.h"

namespace trtmtcnn::cuda {

// Of four lanes, which share a row of inputs, of outputs, or a column of weights, and of whose channels each has four.
TRTMTCNN_HD int tile_row(int lane) { return lane / 4; }
TRTMTCNN_HD int tile_channel(int lane) { return lane % 4 * 4; }

// Something of each lane's that a warp keeps from one step to the next.
template <typename Warp, typename T>
using PerLane = typename Warp::template PerLane<T>;

// Where a lane's rows begin to read, two a tile: tile_row() and the one 8 below.
template <int kTiles>
struct TileRows {
  const Half* at[2 * kTiles];
  int row[2 * kTiles];  // halves from a row of the map to the next
};

// Channels of a pixel that lie side by side, and halves from one pixel to the next.
constexpr int pixel_channels(int channels) { return channels <= kTilePixels ? 4 : kTileStep; }
template <typename Value>
inline constexpr int kHalves = sizeof(Value) / sizeof(Half);
template <typename Value>
constexpr int pixel_halves(int channels) {
  return pixel_channels(channels) * kHalves<Value>;
}

// A lane's sums of kGroups groups of 16 channels, each of two columns of tiles.
template <int kTiles, int kGroups>
using GroupSums = TileSums<kTiles, 2 * kGroups>;

template <int kTiles, int kColumns>
TRTMTCNN_HD void set_bias(TileSums<kTiles, kColumns>& sums, const float* bias, int lane) {
  TRTMTCNN_UNROLL
  for (int c = 0; c < kColumns; ++c) {
    const Four four = load_four(bias + kTileStep * (c / 2) + tile_channel(lane));
    TRTMTCNN_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      TRTMTCNN_UNROLL
      for (int i = 0; i < 4; ++i) sums.at[t][c].at[i] = four.at[c % 2 * 2 + i % 2];
    }
  }
}

template <int kTiles, int kColumns>
TRTMTCNN_HD void activate(TileSums<kTiles, kColumns>& sums, const float* slope, int lane) {
  TRTMTCNN_UNROLL
  for (int c = 0; c < kColumns; ++c) {
    const Four four = load_four(slope + kTileStep * (c / 2) + tile_channel(lane));
    TRTMTCNN_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      TRTMTCNN_UNROLL
      for (int i = 0; i < 4; ++i) {
        float& sum = sums.at[t][c].at[i];
        sum = prelu(sum, four.at[c % 2 * 2 + i % 2]);
      }
    }
  }
}

// The lane's four channels of a group, of its row `slot`: as TileRows counts.
template <int kTiles, int kColumns>
TRTMTCNN_HD Four four_of(const TileSums<kTiles, kColumns>& sums, int slot, int group) {
  const TileSum &a = sums.at[slot / 2][2 * group], &b = sums.at[slot / 2][2 * group + 1];
  const int at = slot % 2 * 2;
  return {{a.at[at], a.at[at + 1], b.at[at], b.at[at + 1]}};
}

// The largest of kSlots of them from `slot` on.
template <int kSlots, int kTiles, int kColumns>
TRTMTCNN_HD Four maximum_of(const TileSums<kTiles, kColumns>& sums, int slot, int group) {
  Four most = four_of(sums, slot, group);
  TRTMTCNN_UNROLL
  for (int s = 1; s < kSlots; ++s) {
    const Four four = four_of(sums, slot + s, group);
    TRTMTCNN_UNROLL
    for (int i = 0; i < 4; ++i) most.at[i] = max(most.at[i], four.at[i]);
  }
  return most;
}

template <int kTiles>
TRTMTCNN_HD void set_row(TileInputs<kTiles>& in, int slot, const FourHalves& four) {
  in.at[slot / 2].at[slot % 2] = four.at[0];
  in.at[slot / 2].at[2 + slot % 2] = four.at[1];
}

// A step's inputs: the rows' values, or the first and the second halves of them.
template <typename Warp, typename Value, int kTiles>
struct StepInputs {
  PerLane<Warp, TileInputs<kTiles>> in[kHalves<Value>];
};

template <int kColumns, typename Warp>
TRTMTCNN_HD void load_weights(const Warp& warp, const Half* weights, PerLane<Warp, TileWeights<kColumns>>& by) {
  warp.each([&](int lane) {
    TRTMTCNN_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      const FourHalves four =
          load_halves(weights + kColumnHalves * c + kTileStep * tile_row(lane) + tile_channel(lane));
      by[lane].at[c] = {{four.at[0], four.at[1]}};
    }
  });
}

// Multiplies what is in the rows by weights of one step, a column of tiles after the other. `second`: halves from a
// weight to what it lacks, where values are sums of two.
template <typename Value, int kTiles, int kColumns, typename Warp>
TRTMTCNN_HD void multiply_step(const Warp& warp, const StepInputs<Warp, Value, kTiles>& inputs, const Half* weights,
                               ptrdiff_t second, PerLane<Warp, TileSums<kTiles, kColumns>>& sums) {
  PerLane<Warp, TileWeights<kColumns>> by;
  load_weights<kColumns>(warp, weights, by);
  multiply_tiles(warp, inputs.in[0], by, sums);
  if constexpr (kHalves<Value> == 2) {
    multiply_tiles(warp, inputs.in[1], by, sums);
    load_weights<kColumns>(warp, weights + second, by);
    multiply_tiles(warp, inputs.in[0], by, sums);
  }
}

// A convolution of output groups [first, first + kGroups) of `groups`, with bias and PReLU. `group`: halves from one
// group of the map's channels to the next.
template <typename Value, int kIn, int kKernel, int kTiles, int kGroups, typename Warp>
TRTMTCNN_HD void convolve_tiles(const Warp& warp, PerLane<Warp, TileRows<kTiles>>& rows, ptrdiff_t group,
                                const HalfLayer& layer, int first, int groups,
                                PerLane<Warp, GroupSums<kTiles, kGroups>>& sums) {
  constexpr int kColumns = 2 * kGroups;
  const Half* const weights = layer.weights + ptrdiff_t{2} * kColumnHalves * first;
  const ptrdiff_t step_halves = ptrdiff_t{2} * kColumnHalves * groups;
  const ptrdiff_t second = step_halves * tile_steps(kIn, kKernel);
  constexpr int kPixel = pixel_halves<Value>(kIn);
  StepInputs<Warp, Value, kTiles> inputs;
  const auto read = [&](int lane, int s, ptrdiff_t shift) {
    TRTMTCNN_UNROLL
    for (int h = 0; h < kHalves<Value>; ++h)
      set_row(inputs.in[h][lane], s, load_halves(rows[lane].at[s] + shift + h * pixel_channels(kIn)));
  };
  warp.each([&](int lane) { set_bias(sums[lane], layer.bias + kTileStep * first, lane); });
  if constexpr (kIn <= kTilePixels) {
    TRTMTCNN_UNROLL
    for (int step = 0; step < tile_steps(kIn, kKernel); ++step) {
      warp.each([&](int lane) {
        const int pixel = min(kTilePixels * step + lane % 4, kKernel * kKernel - 1);  // beyond, weights are zeros
        TRTMTCNN_UNROLL
        for (int s = 0; s < 2 * kTiles; ++s)
          read(lane, s, pixel / kKernel * rows[lane].row[s] + kPixel * (pixel % kKernel));
      });
      multiply_step<Value, kTiles, kColumns>(warp, inputs, weights + step * step_halves, second, sums);
    }
  } else {
    TRTMTCNN_LOOP
    for (int line = 0; line < tile_groups(kIn) * kKernel; ++line) {  // of the kernel, in each group of channels
      TRTMTCNN_UNROLL
      for (int x = 0; x < kKernel; ++x) {
        warp.each([&](int lane) {
          TRTMTCNN_UNROLL
          for (int s = 0; s < 2 * kTiles; ++s)
            read(lane, s,
                 line / kKernel * group + line % kKernel * rows[lane].row[s] + kPixel * x + tile_channel(lane));
        });
        multiply_step<Value, kTiles, kColumns>(warp, inputs, weights + (line * kKernel + x) * step_halves, second,
                                               sums);
      }
    }
  }
  warp.each([&](int lane) { activate(sums[lane], layer.slope + kTileStep * first, lane); });
}

}  // namespace trtmtcnn::cuda
