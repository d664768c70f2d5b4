// As much of an ONNX file as a chain of convolutions needs. Names of fields are those of onnx.proto.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace trtmtcnn::onnx {

struct Attribute {
  int64_t i = 0;
  std::string s;
  std::vector<int64_t> ints;
};

struct Node {
  std::string op_type, domain;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, Attribute> attributes;
};

struct Tensor {
  std::vector<int64_t> dims;
  std::vector<float> values;
};

struct Graph {
  std::vector<Node> nodes;  // in the order of execution
  std::map<std::string, Tensor> initializers;
  std::vector<std::string> inputs, outputs;  // inputs without the initializers
};

// Nothing where the bytes are no ONNX model, or hold what Graph cannot tell.
std::optional<Graph> read(std::span<const char> bytes);

}  // namespace trtmtcnn::onnx
