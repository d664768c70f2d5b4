// A network's weights in the layout that the GPU's kernels read, in the host's memory.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/nets/device_net.h"
#include "nets/network.h"

namespace trtmtcnn::cuda {

class PackedWeights {
 public:
  explicit PackedWeights(const Network& network);

  const std::vector<float>& values() const { return values_; }
  // The network once values() lie at `memory` of a GPU.
  DeviceNet at(const float* memory, uint64_t gpu) const;

 private:
  struct Layer {
    size_t weights, bias, slope;  // where each begins
    bool has_slope;
  };

  size_t append(const std::vector<float>& values);
  void pack(const Conv& conv);
  void pack_dense_of_towers(const Conv& conv, int towers, int pixels);
  void pack_heads(const Network& network);
  Layer append(std::vector<float> weights, const Conv& conv, int outputs);

  Net net_;
  std::vector<float> values_;
  std::vector<Layer> layers_;  // the heads are the last
};

}  // namespace trtmtcnn::cuda
