#include "nets/network.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "error.h"
#include "nets/onnx.h"

namespace trtmtcnn {
namespace {

// A convolution with its PReLU, and the pooling after it (0: none).
struct Layer {
  int in, out, kernel, pool, groups = 1;
};

struct Architecture {
  Net net;
  std::vector<Layer> layers;
};

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all{
      {Net::kPnet, {{3, 10, 3, 2}, {10, 16, 3, 0}, {16, 32, 3, 0}}},
      {Net::kRnet, {{3, 28, 3, 3}, {28, 48, 3, 3}, {48, 64, 2, 0}, {64, 128, 3, 0}}},
      {Net::kOnet, {{3, 32, 3, 3}, {32, 64, 3, 3}, {64, 64, 3, 2}, {64, 128, 2, 0}, {128, 256, 3, 0}}},
      {Net::kLnet,
       {{15, 140, 3, 3, kPoints},
        {140, 240, 3, 3, kPoints},
        {240, 320, 2, 0, kPoints},
        {320, 256, 3, 0},
        {256, 320, 1, 0}}},
  };
  return all;
}

// Walks a graph from its input; anything but what is asked for makes it fail for good.
class Chain {
 public:
  explicit Chain(const onnx::Graph& graph) : graph_(graph) {
    if (graph.inputs.size() == 1)
      at_ = graph.inputs[0];
    else
      fits_ = false;
  }

  bool fits() const { return fits_; }
  const std::string& at() const { return at_; }
  size_t used() const { return used_; }

  Conv conv(const Layer& layer) {
    Conv conv = head(layer, at_);
    const onnx::Node* prelu = step("PRelu", at_, 2);
    if (!prelu) return conv;
    conv.slope = weights(prelu->inputs[1], {layer.out, 1, 1});
    at_ = prelu->outputs[0];
    if (layer.pool) pool(layer.pool);
    return conv;
  }

  // A convolution of `input` that is not followed by another layer; at() is then its output.
  Conv head(const Layer& layer, const std::string& input, std::string_view output = {}) {
    Conv conv{layer.in / layer.groups, layer.out, layer.kernel, {}, {}, {}};
    const onnx::Node* node = step("Conv", input, 3, output, layer.out);
    if (!node) return conv;
    expect(list(*node, "kernel_shape", layer.kernel) && list(*node, "strides", 1) && list(*node, "dilations", 1) &&
           list(*node, "pads", 0) && integer(*node, "group", layer.groups) && unpadded(*node));
    conv.weights = weights(node->inputs[1], {layer.out, layer.in / layer.groups, layer.kernel, layer.kernel});
    conv.bias = weights(node->inputs[2], {layer.out});
    at_ = node->outputs[0];
    return conv;
  }

  void softmax(std::string_view output) {
    const onnx::Node* node = step("Softmax", at_, 1, output);
    if (node) expect(node->attributes.contains("axis") && integer(*node, "axis", 1));
  }

 private:
  void expect(bool true_) { fits_ = fits_ && true_; }

  void pool(int window) {
    const onnx::Node* node = step("MaxPool", at_, 1);
    if (!node) return;
    // Rounding up matters where windows do not divide the map: in P-Net at odd sizes, and after R- and O-Net's first.
    const auto ceil = node->attributes.find("ceil_mode");
    const bool rounds_up = ceil != node->attributes.end() && ceil->second.i == 1;
    expect(list(*node, "kernel_shape", window) && node->attributes.contains("strides") && list(*node, "strides", 2) &&
           list(*node, "dilations", 1) && list(*node, "pads", 0) && integer(*node, "storage_order", 0) &&
           unpadded(*node) && (rounds_up || pools_ > 0));
    ++pools_;
    at_ = node->outputs[0];
  }

  // The node that makes `output` (any, where empty) of `input`.
  const onnx::Node* step(std::string_view op, const std::string& input, size_t inputs, std::string_view output = {},
                         int channels = 0) {
    const onnx::Node* found = nullptr;
    for (const onnx::Node& node : graph_.nodes) {
      if (node.op_type != op || node.inputs.size() != inputs || node.outputs.size() != 1 || node.inputs[0] != input ||
          !node.domain.empty())
        continue;
      if (!output.empty() && node.outputs[0] != output) continue;
      if (channels && !has_channels(node.inputs[1], channels)) continue;
      expect(found == nullptr);
      found = &node;
    }
    expect(found != nullptr);
    used_ += found != nullptr;
    return fits_ ? found : nullptr;
  }

  bool has_channels(const std::string& name, int channels) const {
    const auto tensor = graph_.initializers.find(name);
    return tensor != graph_.initializers.end() && !tensor->second.dims.empty() && tensor->second.dims[0] == channels;
  }

  std::vector<float> weights(const std::string& name, const std::vector<int64_t>& dims) {
    const auto tensor = graph_.initializers.find(name);
    if (tensor == graph_.initializers.end() || tensor->second.dims != dims) {
      fits_ = false;
      return {};
    }
    return tensor->second.values;
  }

  static bool list(const onnx::Node& node, const char* name, int64_t value) {
    const auto a = node.attributes.find(name);
    return a == node.attributes.end() ||
           std::all_of(a->second.ints.begin(), a->second.ints.end(), [&](int64_t v) { return v == value; });
  }
  static bool integer(const onnx::Node& node, const char* name, int64_t value) {
    const auto a = node.attributes.find(name);
    return a == node.attributes.end() || a->second.i == value;
  }
  static bool unpadded(const onnx::Node& node) {
    const auto a = node.attributes.find("auto_pad");
    return a == node.attributes.end() || a->second.s == "NOTSET" || a->second.s == "VALID";
  }

  const onnx::Graph& graph_;
  std::string at_;
  bool fits_ = true;
  int pools_ = 0;
  size_t used_ = 0;
};

// Stacks the heads' rows, in kHeads rows.
void stack(const Conv& head, Conv& heads) {
  heads.weights.insert(heads.weights.end(), head.weights.begin(), head.weights.end());
  heads.bias.insert(heads.bias.end(), head.bias.begin(), head.bias.end());
}

// One of a convolution's groups.
Conv group_of(const Conv& conv, int group) {
  const size_t out = conv.out / kPoints, volume = out * conv.in * conv.kernel * conv.kernel;
  const auto part = [&](const std::vector<float>& values, size_t n) {
    return std::vector<float>(values.begin() + static_cast<ptrdiff_t>(n * group),
                              values.begin() + static_cast<ptrdiff_t>(n * (group + 1)));
  };
  return {conv.in,
          static_cast<int>(out),
          conv.kernel,
          part(conv.weights, volume),
          part(conv.bias, out),
          part(conv.slope, out)};
}

// L-Net's layers as Network has them.
void split_towers(Network& network) {
  const std::vector<Conv> grouped = std::move(network.convs);
  network.convs.clear();
  for (int tower = 0; tower < kPoints; ++tower)
    for (int i = 0; i < 3; ++i) network.convs.push_back(group_of(grouped[i], tower));
  // (out, channel, row, column) to (out, tower, row, column, channel of the tower).
  Conv dense = grouped[3];
  const int pixels = dense.kernel * dense.kernel, inputs = dense.in * pixels, channels = dense.in / kPoints;
  for (int o = 0; o < dense.out; ++o)
    for (int c = 0; c < dense.in; ++c)
      for (int pixel = 0; pixel < pixels; ++pixel)
        dense.weights[static_cast<size_t>(o) * inputs + (c / channels * pixels + pixel) * channels + c % channels] =
            grouped[3].weights[static_cast<size_t>(o) * inputs + c * pixels + pixel];
  dense.in = inputs;
  dense.kernel = 1;
  network.convs.push_back(std::move(dense));
  network.convs.push_back(grouped[4]);
}

std::optional<Network> match(const onnx::Graph& graph, const Architecture& architecture) {
  Chain chain(graph);
  Network network{architecture.net, chain.at(), {}, {}};
  for (const Layer& layer : architecture.layers) {
    network.convs.push_back(chain.conv(layer));
    if (!chain.fits()) return std::nullopt;
  }
  const int features = architecture.layers.back().out;
  const std::string top = chain.at();
  Conv& heads = network.heads;
  heads = {features, kHeads, 1, {}, {}, {}};
  const bool landmarks = has_landmarks(architecture.net);
  const bool boxes = has_boxes(architecture.net);
  if (boxes) {
    stack(chain.head({features, kProb.channels, 1, 0}, top), heads);
    chain.softmax(kProb.name);
    stack(chain.head({features, kRegression.channels, 1, 0}, top, kRegression.name), heads);
  }
  if (landmarks) stack(chain.head({features, kLandmarks, 1, 0}, top, kLandmarkOutput.name), heads);
  const size_t outputs = (boxes ? 2 : 0) + (landmarks ? 1 : 0);
  if (!chain.fits() || chain.used() != graph.nodes.size() || graph.outputs.size() != outputs) return std::nullopt;
  heads.weights.resize(static_cast<size_t>(kHeads) * features);
  heads.bias.resize(kHeads);
  if (architecture.net == Net::kLnet) split_towers(network);
  return network;
}

// Kernels may turn NaN into a number that passes for a face: their maximum of NaN and 0 is 0.
void require_finite(const Network& network) {
  const auto finite = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  };
  const auto all_finite = [&](const Conv& c) { return finite(c.weights) && finite(c.bias) && finite(c.slope); };
  if (!std::all_of(network.convs.begin(), network.convs.end(), all_finite) || !all_finite(network.heads))
    throw EngineError("the model has weights that are NaN or infinite: export finite weights again");
}

}  // namespace

std::optional<Network> read_network(std::span<const char> bytes) {
  const std::optional<onnx::Graph> graph = onnx::read(bytes);
  if (!graph) return std::nullopt;
  for (const Architecture& architecture : architectures())
    if (std::optional<Network> network = match(*graph, architecture)) {
      require_finite(*network);
      return network;
    }
  return std::nullopt;
}

}  // namespace trtmtcnn
