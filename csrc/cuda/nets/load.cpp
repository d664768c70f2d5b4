#include "cuda/nets/load.h"

#include <utility>

#include "cuda/nets/device_net.h"
#include "error.h"

namespace trtmtcnn::cuda {

Network read_for_kernels(std::span<const char> onnx) {
  std::optional<Network> network = read_network(onnx);
  if (!network)
    throw EngineError(
        "the model is none of MTCNN's networks, layer by layer, and the CUDA kernels run no others: TensorRT does, "
        "which pip install tensorrt-cu13 brings");
  return *std::move(network);
}

Net net_for_kernels(std::span<const char> onnx) { return read_for_kernels(onnx).net; }

bool is_half(const std::string& precision) {
  if (precision != "f32" && precision != "f16")
    throw EngineError("the CUDA kernels compute in float32 or float16, not in " + precision);
  return precision == "f16";
}

void require_on(const Engine& engine, uint64_t gpu) {
  if (!engine.device_net() || engine.device_net()->gpu != gpu)
    throw EngineError("this engine was loaded on another device");
}

}  // namespace trtmtcnn::cuda
