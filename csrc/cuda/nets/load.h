// What of engine files the GPU's own kernels can run.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine.h"
#include "nets/network.h"

namespace trtmtcnn::cuda {

// The network in an engine file of flavour "cuda", which is its ONNX model. Throws EngineError where it is none that
// there are kernels for.
Network read_for_kernels(std::span<const char> onnx);
// Whether the kernels compute in float16 in this precision, "f32" or "f16". Throws EngineError where it is another.
bool is_half(const std::string& precision);
// Which network it is.
Net net_for_kernels(std::span<const char> onnx);

// Throws EngineError where an engine is not one of the kernels' in the memory of a GPU; see DeviceNet.
void require_on(const Engine& engine, uint64_t gpu);

}  // namespace trtmtcnn::cuda
