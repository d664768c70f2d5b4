// Plan to Engine, through nvinfer1.
#pragma once

#include "tensorrt/loader.h"
#include "tensorrt/versions.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {

std::shared_ptr<Plan> load_plan(std::shared_ptr<LoadedLibraries> libraries, std::span<const char> bytes, int gpu);

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
