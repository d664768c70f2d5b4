// A network's weights as the kernels of this machine want them.
#pragma once

#include <cstddef>
#include <vector>

#include "cpu/nets/net_kernels.h"
#include "cpu/nets/network.h"
#include "runtime/memory.h"

namespace trtmtcnn::cpu {

class PackedNet {
 public:
  PackedNet(const Network& network, const NetKernels& kernels);

  Net net() const { return net_; }
  const NetKernels& kernels() const { return kernels_; }
  const PackedConv* convs() const { return convs_.data(); }  // the heads are the last
  const PackedConv& heads() const { return convs_.back(); }

  // A pixel's features times these, plus the bias, is by how much "face" outweighs "not face" before the softmax.
  const float* face_weights() const { return face_weights_.data(); }
  float face_bias() const { return face_bias_; }

 private:
  template <class T>
  T* allocate(size_t n);
  void pack(const Conv& conv, int tile, bool as_floats);
  const float* transform(const Conv& conv, int tile);

  Net net_;
  const NetKernels& kernels_;
  std::vector<Memory> buffers_;
  std::vector<PackedConv> convs_;
  std::vector<float> face_weights_;
  float face_bias_ = 0;
};

// The softmax's "face" of two logits.
float face_probability(float not_face, float face);

}  // namespace trtmtcnn::cpu
