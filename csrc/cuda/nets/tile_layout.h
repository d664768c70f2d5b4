// How weights lie in float16: [step][group of 16 outputs][column][16 inputs]; see cuda/kernels/convolve_tiles.h. Those
// that are sums of two: all of the first, then all of the second.
#pragma once

#include "networks.h"

namespace trtmtcnn::cuda {

inline constexpr int kTileStep = 16;                 // inputs that a step sums over; outputs of a group
inline constexpr int kColumnHalves = 8 * kTileStep;  // weights of a step and of a tile's 8 columns
inline constexpr int kTilePixels = 4;                // of a network's input that a step takes
inline constexpr int kPnetHeadTiles = 3;             // columns of P-Net's heads: each two outputs, four times

// Whether a network's values in float16 are sums of two; see cuda/kernels/convolve_tiles.h.
constexpr bool is_split_in_half(Net net) { return net != Net::kLnet; }

constexpr int tile_groups(int channels) { return (channels + kTileStep - 1) / kTileStep; }

// Steps that a convolution takes.
constexpr int tile_steps(int channels, int kernel) {
  const int pixels = kernel * kernel;
  return channels <= kTilePixels ? (pixels + kTilePixels - 1) / kTilePixels : tile_groups(channels) * pixels;
}

// Weights of a layer.
constexpr int tile_weights(int channels, int kernel, int out) {
  return tile_steps(channels, kernel) * tile_groups(out) * 2 * kColumnHalves;
}

// The column of an output among the 16 of its group: four lanes have two columns each of both tiles, and outputs that
// lie side by side are to be a lane's.
constexpr int tile_column(int output) { return 8 * (output % 4 / 2) + 2 * (output / 4) + output % 2; }

}  // namespace trtmtcnn::cuda
