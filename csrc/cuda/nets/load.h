// What of engine files the GPU's own kernels can run.
#pragma once

#include <span>

#include "nets/network.h"

namespace trtmtcnn::cuda {

// The network in an engine file of flavour "cuda", which is its ONNX model. Throws EngineError where it is none that
// there are kernels for.
Network read_for_kernels(std::span<const char> onnx);

}  // namespace trtmtcnn::cuda
