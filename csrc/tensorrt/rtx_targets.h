// TensorRT-RTX builds for GPUs that are not there.
#pragma once

#include <vector>

#include "tensorrt/libraries.h"
#include "tensorrt/versions.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {

// `targets`: compute capabilities as numbers, 86 for 8.6. Throws EngineError where the library knows none such.
void set_rtx_targets(const LoadedLibraries& libraries, nvinfer1::IBuilderConfig& config,
                     const std::vector<int>& targets);

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
