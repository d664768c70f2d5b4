// A network's weights in a GPU's memory, as the kernels in cuda/kernels/ read them.
#pragma once

#include <cstdint>
#include <vector>

#include "networks.h"

namespace trtmtcnn::cuda {

struct Half;

// A layer's. Output channels are padded with zeros to a multiple of four.
struct LayerWeights {
  const float* weights;  // [group of four inputs][row][column][input][output]; the heads' are not in groups
  const float* bias;
  const float* slope;  // of the PReLU; null: none follows
};

// The same for products of tiles; see tile_layout.h. Output channels are padded to a multiple of 16.
struct HalfLayer {
  const Half* weights;
  const float* bias;
  const float* slope;
};

struct DeviceNet {
  Net net;
  uint64_t gpu;                        // in whose memory they lie: a number that tells GPUs apart
  std::vector<LayerWeights> layers;    // L-Net's first three: of one tower after the other, as far apart each time
  std::vector<HalfLayer> half_layers;  // the same in float16; one of the two is empty
  // R-Net's, O-Net's and L-Net's: [feature][kHeads], P-Net's: [output][feature]. The first two outputs of the networks
  // that tell faces are the logit of "face" less that of "not face", twice.
  LayerWeights heads;
  HalfLayer half_heads;  // P-Net's in float16: [step][pair of outputs][column][16 features]

  bool is_half() const { return !half_layers.empty(); }
};

}  // namespace trtmtcnn::cuda
