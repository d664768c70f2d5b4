#include "cuda/nets/packed_weights.h"

#include <cstring>
#include <utility>

#include "cuda/kernels/half.h"
#include "cuda/nets/tile_layout.h"

namespace trtmtcnn::cuda {
namespace {

constexpr size_t kAlignment = 256;  // bytes; whole cache lines of a GPU

int fours(int n) { return (n + 3) / 4; }

// L-Net's first dense layer, whose inputs are (tower, pixel, channel), as one over a map of all towers' channels: as
// the towers write it.
Conv dense_of_towers(const Conv& dense, int side) {
  const int pixels = side * side, channels = dense.in / (kPoints * pixels);
  Conv conv = dense;
  conv.in = kPoints * channels;
  conv.kernel = side;
  for (int o = 0; o < dense.out; ++o)
    for (int i = 0; i < dense.in; ++i) {
      const int tower = i / (pixels * channels), pixel = i / channels % pixels, c = tower * channels + i % channels;
      conv.weights[(static_cast<size_t>(o) * conv.in + c) * pixels + pixel] =
          dense.weights[static_cast<size_t>(o) * dense.in + i];
    }
  return conv;
}

// The layers in the order of DeviceNet's.
std::vector<Conv> in_order(const Network& network) {
  if (network.net != Net::kLnet) return network.convs;
  constexpr int kTowerLayers = 3, kSide = 3;
  std::vector<Conv> convs;
  for (int layer = 0; layer < kTowerLayers; ++layer)
    for (int tower = 0; tower < kPoints; ++tower) convs.push_back(network.convs[kTowerLayers * tower + layer]);
  const size_t dense = size_t{kTowerLayers} * kPoints;
  convs.push_back(dense_of_towers(network.convs[dense], kSide));
  convs.insert(convs.end(), network.convs.begin() + dense + 1, network.convs.end());
  return convs;
}

// `weights` places of tiles, and as many that follow for what float16 lacks of each, where `split` is set.
class HalfWeights {
 public:
  HalfWeights(size_t weights, bool split) : halves_(split ? 2 * weights : weights), weights_(weights), split_(split) {}

  void set(size_t at, float weight) {
    halves_[at] = to_half(weight);
    if (split_) halves_[weights_ + at] = to_half(weight - to_float(halves_[at]));
  }
  const std::vector<Half>& halves() const { return halves_; }

 private:
  std::vector<Half> halves_;
  size_t weights_;
  bool split_;
};

Conv with_margins(Conv heads) {
  for (int f = 0; f < heads.in; ++f) {
    const float difference = heads.weights[heads.in + f] - heads.weights[f];
    heads.weights[f] = heads.weights[heads.in + f] = difference;
  }
  heads.bias[0] = heads.bias[1] = heads.bias[1] - heads.bias[0];
  return heads;
}

}  // namespace

PackedWeights::PackedWeights(const Network& network, bool half) : net_(network.net), half_(half) {
  for (const Conv& conv : in_order(network))
    layers_.push_back(half ? pack_tiles(conv, is_split_in_half(net_)) : pack(conv));
  const Conv heads = has_boxes(net_) ? with_margins(network.heads) : network.heads;
  heads_ = pack_heads(heads);
  if (half && net_ == Net::kPnet) head_tiles_ = pack_head_tiles(heads);
}

DeviceNet PackedWeights::at(const std::byte* memory, uint64_t gpu) const {
  const auto floats = [&](size_t begin) { return reinterpret_cast<const float*>(memory + begin); };
  const auto halves = [&](size_t begin) { return reinterpret_cast<const Half*>(memory + begin); };
  const auto slope = [&](const Layer& layer) { return layer.has_slope ? floats(layer.slope) : nullptr; };
  DeviceNet net{net_, gpu, {}, {}, {}, {}};
  for (const Layer& layer : layers_)
    if (half_)
      net.half_layers.push_back({halves(layer.weights), floats(layer.bias), slope(layer)});
    else
      net.layers.push_back({floats(layer.weights), floats(layer.bias), slope(layer)});
  net.heads = {floats(heads_.weights), floats(heads_.bias), slope(heads_)};
  if (half_ && net_ == Net::kPnet) net.half_heads = {halves(head_tiles_.weights), floats(head_tiles_.bias), nullptr};
  return net;
}

template <typename Value>
size_t PackedWeights::append(std::span<const Value> values) {
  const size_t begin = bytes_.size();
  bytes_.resize((begin + values.size_bytes() + kAlignment - 1) / kAlignment * kAlignment);
  if (!values.empty()) std::memcpy(bytes_.data() + begin, values.data(), values.size_bytes());
  return begin;
}

template <typename Value>
PackedWeights::Layer PackedWeights::append(const std::vector<Value>& weights, const Conv& conv, int outputs) {
  Layer layer{append(std::span(weights)), 0, 0, !conv.slope.empty()};
  std::vector<float> bias = conv.bias, slope = conv.slope;
  bias.resize(outputs);
  slope.resize(outputs);
  layer.bias = append(std::span<const float>(bias));
  layer.slope = append(std::span<const float>(slope));
  return layer;
}

PackedWeights::Layer PackedWeights::pack(const Conv& conv) {
  const int outputs = 4 * fours(conv.out), pixels = conv.kernel * conv.kernel;
  std::vector<float> packed(static_cast<size_t>(fours(conv.in)) * pixels * 4 * outputs);
  for (int o = 0; o < conv.out; ++o)
    for (int c = 0; c < conv.in; ++c)
      for (int pixel = 0; pixel < pixels; ++pixel)
        packed[((static_cast<size_t>(c / 4) * pixels + pixel) * 4 + c % 4) * outputs + o] =
            conv.weights[(static_cast<size_t>(o) * conv.in + c) * pixels + pixel];
  return append(packed, conv, outputs);
}

PackedWeights::Layer PackedWeights::pack_tiles(const Conv& conv, bool split) {
  const int groups = tile_groups(conv.out), pixels = conv.kernel * conv.kernel;
  const bool is_first = conv.in <= kTilePixels;
  HalfWeights packed(tile_weights(conv.in, conv.kernel, conv.out), split);
  for (int o = 0; o < conv.out; ++o)
    for (int c = 0; c < conv.in; ++c)
      for (int pixel = 0; pixel < pixels; ++pixel) {
        const int step = is_first ? pixel / kTilePixels : c / kTileStep * pixels + pixel;
        const int input = is_first ? pixel % kTilePixels * 4 + c : c % kTileStep;
        const size_t column =
            (static_cast<size_t>(step) * groups + o / kTileStep) * kTileStep + tile_column(o % kTileStep);
        packed.set(column * kTileStep + input, conv.weights[(static_cast<size_t>(o) * conv.in + c) * pixels + pixel]);
      }
  return append(packed.halves(), conv, groups * kTileStep);
}

PackedWeights::Layer PackedWeights::pack_heads(Conv heads) {
  std::vector<float> packed = heads.weights;
  if (net_ != Net::kPnet)
    for (int o = 0; o < kHeads; ++o)
      for (int f = 0; f < heads.in; ++f) packed[static_cast<size_t>(f) * kHeads + o] = heads.weights[o * heads.in + f];
  return append(packed, heads, kHeads);
}

// Of the two margins, which are one, the second is left out, so that five outputs remain.
PackedWeights::Layer PackedWeights::pack_head_tiles(const Conv& heads) {
  constexpr int kOutputs = 1 + kRegression.channels;
  HalfWeights packed(static_cast<size_t>(tile_groups(heads.in)) * kPnetHeadTiles * kColumnHalves, true);
  Conv margin_and_boxes;
  for (int o = 0; o < kOutputs; ++o) {
    margin_and_boxes.bias.push_back(heads.bias[o + 1]);
    for (int f = 0; f < heads.in; ++f)
      for (int lane = 0; lane < 4; ++lane) {
        const size_t column =
            (static_cast<size_t>(f / kTileStep) * kPnetHeadTiles + o / 2) * 8 + static_cast<size_t>(2 * lane + o % 2);
        packed.set(column * kTileStep + f % kTileStep, heads.weights[(o + 1) * heads.in + f]);
      }
  }
  return append(packed.halves(), margin_and_boxes, 2 * kPnetHeadTiles);
}

}  // namespace trtmtcnn::cuda
