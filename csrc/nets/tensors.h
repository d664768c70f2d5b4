// The networks' inputs and outputs as an engine tells them.
#pragma once

#include <vector>

#include "engine.h"
#include "nets/network.h"

namespace trtmtcnn {

TensorInfo input_of(const Network& network);
std::vector<TensorInfo> outputs_of(Net net);
// The outputs' shapes for an input's, which must be one that the network takes. P-Net has a cell more where a side is
// odd: its last pooling window is partial, and counts.
std::vector<Shape> output_shapes_of(Net net, const Shape& input);

}  // namespace trtmtcnn
