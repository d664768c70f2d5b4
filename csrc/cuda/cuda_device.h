// An NVIDIA GPU: TensorRT or kernels of our own for the networks, kernels for what lies between them.
#pragma once

#include <memory>

#include "device.h"
#include "tensorrt/tensorrt.h"

namespace trtmtcnn::cuda {

// Whether this build has the CUDA kernels.
extern const bool kBuilt;

// `libraries`: TensorRT's; without a name the networks are kernels. `ordinal`: 0 is the first GPU. Throws DeviceError
// where it cannot be used, or where this build has no CUDA kernels.
std::shared_ptr<Device> make_cuda_device(const tensorrt::Libraries& libraries, int ordinal);

}  // namespace trtmtcnn::cuda
