// A network's weights in the layout that the GPU's kernels read, in the host's memory.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cuda/nets/device_net.h"
#include "nets/network.h"

namespace trtmtcnn::cuda {

class PackedWeights {
 public:
  // half: layers but the heads of crops are to be in float16.
  PackedWeights(const Network& network, bool half);

  const std::vector<std::byte>& bytes() const { return bytes_; }
  // The network once bytes() lie at `memory` of a GPU.
  DeviceNet at(const std::byte* memory, uint64_t gpu) const;

 private:
  struct Layer {
    size_t weights, bias, slope;  // where each begins
    bool has_slope;
  };

  template <typename Value>
  size_t append(std::span<const Value> values);
  template <typename Value>
  Layer append(const std::vector<Value>& weights, const Conv& conv, int outputs);
  Layer pack(const Conv& conv);
  // split: weights are sums of two float16.
  Layer pack_tiles(const Conv& conv, bool split);
  Layer pack_heads(Conv heads);
  Layer pack_head_tiles(const Conv& heads);

  Net net_;
  bool half_;
  std::vector<std::byte> bytes_;
  std::vector<Layer> layers_;
  Layer heads_{}, head_tiles_{};
};

}  // namespace trtmtcnn::cuda
