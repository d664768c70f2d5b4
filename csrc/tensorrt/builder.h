// Builds a plan from ONNX, through nvinfer1 and nvonnxparser.
#pragma once

#include "tensorrt/loader.h"
#include "tensorrt/versions.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {

BuildResult build_plan(const LoadedLibraries& libraries, std::span<const char> onnx, const BuildOptions& options,
                       Progress& progress);

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
