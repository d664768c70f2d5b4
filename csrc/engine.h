// One network, ready to run on one device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace trtmtcnn {

namespace cpu {
class PackedNet;
}
namespace cuda {
struct DeviceNet;
}

using Shape = std::array<int64_t, 4>;  // n, c, h, w; -1 is dynamic

inline int64_t volume(const Shape& s) { return s[0] * s[1] * s[2] * s[3]; }

struct TensorInfo {
  std::string name;
  Shape shape;
  int rank = 4;  // 2: (n, c), for which the shape says (n, c, 1, 1)
};

// Runs the network for one thread at a time.
class Context {
 public:
  virtual ~Context() = default;
  // `outputs` in the order of Engine::outputs(), each as large as Engine::output_shapes() says.
  // Buffers are float32 in the engine's memory (host for the CPU), used in place.
  virtual void infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) = 0;
  // The CUDA stream that later calls are enqueued on; of no meaning to a CPU.
  virtual void use_stream(void*) {}
  // What infer() needs of device memory beside inputs and outputs, and where it is: given before each call, free for
  // others once the stream is past it. None on a CPU.
  virtual size_t scratch_bytes(const Shape& /*input_shape*/) { return 0; }
  virtual void use_scratch(void* /*memory*/, size_t /*bytes*/) {}
  // The outputs' shapes for an input's shape.
  virtual const std::vector<Shape>& output_shapes(const Shape& input_shape) = 0;
};

// Shared by all threads.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const TensorInfo& input() const = 0;
  virtual const std::vector<TensorInfo>& outputs() const = 0;
  // The largest sizes that it was built for.
  virtual Shape largest_input() const {
    constexpr int64_t kAny = int64_t{1} << 30;
    return {kAny, kAny, kAny, kAny};
  }
  virtual std::unique_ptr<Context> context() = 0;

  // The network for the CPU's own kernels; null where another runtime runs it.
  virtual const cpu::PackedNet* native_net() const { return nullptr; }
  // The same for a GPU's.
  virtual const cuda::DeviceNet* device_net() const { return nullptr; }

  bool has_output(const std::string& name) const;
  int output_index(const std::string& name) const;  // throws EngineError
  void check_input(const Shape& shape) const;       // throws std::invalid_argument
};

std::string to_string(const Shape& shape);

// Batches are rounded up to one of a few sizes: runtimes prepare kernels for each size they meet.
constexpr int batch_bucket(int n) { return n <= 4 ? n : (n + 7) / 8 * 8; }
// On a GPU, where each has a context of its own and half a batch takes little less time than all of it: powers of two.
constexpr int gpu_batch_bucket(int n) {
  int batch = 1;
  while (batch < n) batch *= 2;
  return batch;
}

}  // namespace trtmtcnn
