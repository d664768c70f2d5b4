// Shapes as TensorRT writes them, and back.
#pragma once

#include <string>

#include "engine.h"
#include "error.h"
#include "tensorrt/versions.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {

inline nvinfer1::Dims dims_of(const Shape& shape) {
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) dims.d[i] = shape[i];
  return dims;
}

// `name`: the tensor's. Throws EngineError where it is neither (n, c, h, w) nor (n, c).
inline Shape shape_of(const nvinfer1::Dims& dims, const std::string& name) {
  if (dims.nbDims == 2) return {dims.d[0], dims.d[1], 1, 1};
  if (dims.nbDims != 4)
    throw EngineError("the tensor \"" + name + "\" has neither four (n, c, h, w) nor two dimensions");
  return {dims.d[0], dims.d[1], dims.d[2], dims.d[3]};
}

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
