#include "cuda/emulated_device.h"

#include "cuda/gpu_backend.h"
#include "cuda/host_runtime.h"

namespace trtmtcnn::cuda {

std::unique_ptr<Backend> EmulatedDevice::backend() { return std::make_unique<GpuBackend<HostRuntime>>(pool()); }

}  // namespace trtmtcnn::cuda
