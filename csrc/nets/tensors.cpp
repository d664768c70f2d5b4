#include "nets/tensors.h"

namespace trtmtcnn {
namespace {

int64_t grid(int64_t pixels) { return (pixels - 2 + 1) / 2 - 4; }

}  // namespace

TensorInfo input_of(const Network& network) {
  const int64_t side = network.net == Net::kPnet ? -1 : facts(network.net).side;
  return {network.input, {-1, input_channels(network.net), side, side}};
}

std::vector<TensorInfo> outputs_of(Net net) {
  const int64_t side = net == Net::kPnet ? -1 : 1;
  std::vector<TensorInfo> outputs;
  if (has_boxes(net))
    for (const Output& o : {kProb, kRegression}) outputs.push_back({o.name, {-1, o.channels, side, side}});
  if (has_landmarks(net)) outputs.push_back({kLandmarkOutput.name, {-1, kLandmarks, side, side}});
  return outputs;
}

std::vector<Shape> output_shapes_of(Net net, const Shape& input) {
  const bool pnet = net == Net::kPnet;
  std::vector<Shape> shapes;
  for (const TensorInfo& o : outputs_of(net))
    shapes.push_back({input[0], o.shape[1], pnet ? grid(input[2]) : 1, pnet ? grid(input[3]) : 1});
  return shapes;
}

}  // namespace trtmtcnn
