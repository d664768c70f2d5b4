#include "cuda/nets/load.h"

#include <utility>

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

}  // namespace trtmtcnn::cuda
