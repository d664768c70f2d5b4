// One network, ready to run on one device.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace trtmtcnn {

using Shape = std::array<int64_t, 4>;  // n, c, h, w; -1 is dynamic

inline int64_t volume(const Shape& s) { return s[0] * s[1] * s[2] * s[3]; }

struct TensorInfo {
  std::string name;
  Shape shape;
};

// Runs the network for one thread at a time.
class Context {
 public:
  virtual ~Context() = default;
  // `outputs` in the order of Engine::outputs(), each as large as Engine::output_shapes() says.
  // Buffers are float32 in the engine's memory (host for the CPU), used in place.
  virtual void infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) = 0;
  // The outputs' shapes for an input's shape.
  virtual const std::vector<Shape>& output_shapes(const Shape& input_shape) = 0;
};

// Shared by all threads.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const TensorInfo& input() const = 0;
  virtual const std::vector<TensorInfo>& outputs() const = 0;
  virtual std::unique_ptr<Context> context() = 0;

  int output_index(const std::string& name) const;  // throws EngineError
  void check_input(const Shape& shape) const;       // throws std::invalid_argument
};

std::string to_string(const Shape& shape);

}  // namespace trtmtcnn
