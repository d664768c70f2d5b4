#include "cuda/nets/packed_weights.h"

#include <utility>

namespace trtmtcnn::cuda {
namespace {

constexpr int kAlignment = 64;  // floats; whole cache lines of a GPU

int fours(int n) { return (n + 3) / 4; }

}  // namespace

PackedWeights::PackedWeights(const Network& network) : net_(network.net) {
  if (network.net != Net::kLnet) {
    for (const Conv& conv : network.convs) pack(conv);
  } else {
    // Layer by layer, the towers' one after the other.
    constexpr int kTowerLayers = 3;
    for (int layer = 0; layer < kTowerLayers; ++layer)
      for (int tower = 0; tower < kPoints; ++tower) pack(network.convs[kTowerLayers * tower + layer]);
    const size_t dense = size_t{kTowerLayers} * kPoints;
    pack_dense_of_towers(network.convs[dense], kPoints, 9);
    for (size_t i = dense + 1; i < network.convs.size(); ++i) pack(network.convs[i]);
  }
  pack_heads(network);
}

DeviceNet PackedWeights::at(const float* memory, uint64_t gpu) const {
  DeviceNet net{net_, gpu, {}, {}};
  for (const Layer& layer : layers_)
    net.layers.push_back(
        {memory + layer.weights, memory + layer.bias, layer.has_slope ? memory + layer.slope : nullptr});
  net.heads = net.layers.back();
  net.layers.pop_back();
  return net;
}

size_t PackedWeights::append(const std::vector<float>& values) {
  const size_t begin = values_.size();
  values_.insert(values_.end(), values.begin(), values.end());
  values_.resize((values_.size() + kAlignment - 1) / kAlignment * kAlignment);
  return begin;
}

PackedWeights::Layer PackedWeights::append(std::vector<float> weights, const Conv& conv, int outputs) {
  Layer layer{append(weights), 0, 0, !conv.slope.empty()};
  std::vector<float> bias = conv.bias, slope = conv.slope;
  bias.resize(outputs);
  slope.resize(outputs);
  layer.bias = append(bias);
  layer.slope = append(slope);
  return layer;
}

void PackedWeights::pack(const Conv& conv) {
  const int outputs = 4 * fours(conv.out), pixels = conv.kernel * conv.kernel;
  std::vector<float> packed(static_cast<size_t>(fours(conv.in)) * pixels * 4 * outputs);
  for (int o = 0; o < conv.out; ++o)
    for (int c = 0; c < conv.in; ++c)
      for (int pixel = 0; pixel < pixels; ++pixel)
        packed[((static_cast<size_t>(c / 4) * pixels + pixel) * 4 + c % 4) * outputs + o] =
            conv.weights[(static_cast<size_t>(o) * conv.in + c) * pixels + pixel];
  layers_.push_back(append(std::move(packed), conv, outputs));
}

// From inputs (tower, pixel, channel) to (tower, group of four channels, pixel, channel), as the towers write them.
void PackedWeights::pack_dense_of_towers(const Conv& conv, int towers, int pixels) {
  const int channels = conv.in / (towers * pixels);
  std::vector<float> packed(static_cast<size_t>(conv.in) * conv.out);
  for (int o = 0; o < conv.out; ++o)
    for (int i = 0; i < conv.in; ++i) {
      const int tower = i / (pixels * channels), pixel = i / channels % pixels, c = i % channels;
      const int at = ((tower * (channels / 4) + c / 4) * pixels + pixel) * 4 + c % 4;
      packed[static_cast<size_t>(at) * conv.out + o] = conv.weights[static_cast<size_t>(o) * conv.in + i];
    }
  layers_.push_back(append(std::move(packed), conv, conv.out));
}

void PackedWeights::pack_heads(const Network& network) {
  Conv heads = network.heads;
  if (has_boxes(net_)) {
    for (int f = 0; f < heads.in; ++f) {
      const float difference = heads.weights[heads.in + f] - heads.weights[f];
      heads.weights[f] = heads.weights[heads.in + f] = difference;
    }
    heads.bias[0] = heads.bias[1] = heads.bias[1] - heads.bias[0];
  }
  std::vector<float> packed = heads.weights;
  if (net_ != Net::kPnet)
    for (int o = 0; o < kHeads; ++o)
      for (int f = 0; f < heads.in; ++f) packed[static_cast<size_t>(f) * kHeads + o] = heads.weights[o * heads.in + f];
  layers_.push_back(append(std::move(packed), heads, kHeads));
}

}  // namespace trtmtcnn::cuda
