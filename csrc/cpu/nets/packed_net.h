// A network's weights in the layout that the kernels of this machine read.
#pragma once

#include <cstddef>
#include <vector>

#include "cpu/nets/net_kernels.h"
#include "nets/network.h"
#include "runtime/memory.h"

namespace trtmtcnn::cpu {

class PackedNet {
 public:
  PackedNet(const Network& network, const NetKernels& kernels);

  // Whether its numbers are of the sizes that trained networks have: sums of larger ones exceed float16's 65,504.
  static bool fits_float16(const Network& network);

  Net net() const { return net_; }
  const NetKernels& kernels() const { return kernels_; }
  const PackedConv* convs() const { return convs_.data(); }  // heads() is the last
  const PackedConv& heads() const { return convs_.back(); }

  // P-Net's score without its softmax: face_weights() . features + face_bias() is the logit of "face" minus that of
  // "not face".
  const float* face_weights() const { return face_weights_.data(); }
  float face_bias() const { return face_bias_; }

 private:
  template <class T>
  T* allocate(size_t n);  // zeros
  // Adds a layer, not of bfloat16 tiles. `tile`: the side of Winograd's tiles, 0 for none. `heads`: always float32.
  void pack(const Conv& conv, int tile, bool heads);
  // Adds a layer in tiles of bfloat16: [16 outputs][kernel row][32 inputs][pair][output][of the pair]. `unrolled`: the
  // kernel's rows are one; `stride`: values from pixel to pixel of the input.
  void pack_tiles(const Conv& conv, bool unrolled, int stride);
  // Adds P-Net's first layer in tiles: [16 columns][kernel row][32 inputs][pair][column][of the pair].
  void pack_first_tiles(const Conv& conv);
  // Its weights for Winograd's tiles of that size.
  const float* transform(const Conv& conv, int rows, int columns);
  // Adds P-Net's first layer for tiles of four pixels of a row: [transformed value]: what its sums begin with, then
  // [input channel][kernel row], of all output channels each.
  void pack_row_tiles(const Conv& conv);
  bool slopes_less_one(bool heads) const;

  Net net_;
  const NetKernels& kernels_;
  std::vector<Memory> buffers_;
  std::vector<PackedConv> convs_;
  std::vector<float> face_weights_;
  float face_bias_ = 0;
};

}  // namespace trtmtcnn::cpu
