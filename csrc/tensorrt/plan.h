// Loads a plan as an Engine, through nvinfer1. `gpu`: as BuildOptions::gpu.
#pragma once

#include "tensorrt/loader.h"
#include "tensorrt/versions.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {

std::shared_ptr<Plan> load_plan(std::shared_ptr<LoadedLibraries> libraries, std::span<const char> bytes, int gpu);

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
