// The weights of one of the networks, as its ONNX file holds them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "networks.h"

namespace trtmtcnn {

struct Conv {
  int in = 0, out = 0, kernel = 0;
  std::vector<float> weights;  // (out, in, kernel, kernel)
  std::vector<float> bias;     // (out)
  std::vector<float> slope;    // (out), of the PReLU that follows; empty: none does
};

struct Network {
  Net net;
  std::string input;  // its name
  // From the picture to the heads; of L-Net the three of each tower in turn, then its dense layers, of which the first
  // sees the towers' maps one after the other, each (row, column, channel).
  std::vector<Conv> convs;
  Conv heads;  // what the network says: not face, face, dx1..dy2, landmarks; rows of zeros to kHeads
};

// The network in an ONNX file; nothing where it is not one of them, layer by layer. Throws EngineError where it is
// one with weights that are not finite.
std::optional<Network> read_network(std::span<const char> onnx);

}  // namespace trtmtcnn
