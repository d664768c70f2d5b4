#include "testing/emulated_device.h"

#include "cuda/gpu_backend.h"
#include "cuda/host_context.h"
#include "cuda/host_runtime.h"

namespace trtmtcnn::testing {

std::unique_ptr<Backend> EmulatedDevice::backend(Engines engines) {
  return std::make_unique<cuda::GpuBackend<cuda::HostRuntime>>(std::move(engines), pool());
}

std::unique_ptr<Context> EmulatedDevice::host_context(Engine& engine) {
  return std::make_unique<cuda::HostContext<cuda::HostRuntime>>(engine);
}

}  // namespace trtmtcnn::testing
