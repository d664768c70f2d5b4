// A plan loaded onto the GPU.
#pragma once

#include "tensorrt/libraries.h"
#include "tensorrt/versions.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {

std::shared_ptr<Plan> load_plan(std::shared_ptr<LoadedLibraries> libraries, std::span<const char> bytes);

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
