// What of engine files the GPU's own kernels can run.
#pragma once

#include <cstdint>
#include <span>

#include "engine.h"
#include "nets/network.h"

namespace trtmtcnn::cuda {

// The network in an engine file of flavour "cuda", which is its ONNX model. Throws EngineError where it is none that
// there are kernels for.
Network read_for_kernels(std::span<const char> onnx);
// Which it is.
Net net_for_kernels(std::span<const char> onnx);

// Throws EngineError where an engine is not one of the kernels' in the memory of a GPU; see DeviceNet.
void require_on(const Engine& engine, uint64_t gpu);

}  // namespace trtmtcnn::cuda
