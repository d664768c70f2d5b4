#include "testing/emulated_device.h"

#include "cuda/gpu_backend.h"
#include "cuda/host_context.h"
#include "cuda/host_runtime.h"
#include "cuda/nets/load.h"
#include "cuda/nets/net_engine.h"
#include "testing/gpu_operations.h"
#include "testing/model_engine.h"
#include "testing/model_runtime.h"

namespace trtmtcnn::testing {

std::shared_ptr<Engine> EmulatedDevice::load_engine(std::span<const char> bytes, const std::string& precision) {
  if (kernels_) {
    const Network network = cuda::read_for_kernels(bytes);
    const bool half = cuda::is_half(precision);
    if (!gpu_) return std::make_shared<cuda::NetEngine<cuda::HostRuntime>>(network, half, gpu_number());
    gpu_->call(Call::kLoad, "", 0);
    return std::make_shared<cuda::NetEngine<ModelRuntime>>(network, half, gpu_number(), gpu_);
  }
  auto engine = CpuDevice::load_engine(bytes, precision);
  return gpu_ ? to_gpu(std::move(engine), gpu_) : engine;
}

void EmulatedDevice::check_place(const Engine& engine) const {
  if (!kernels_) return testing::check_place(engine, gpu_.get());
  cuda::require_on(engine, gpu_number());
}

std::unique_ptr<Backend> EmulatedDevice::backend(Engines engines) {
  for (const auto& engine : engines)
    if (engine) check_place(*engine);
  if (gpu_) return std::make_unique<cuda::GpuBackend<ModelRuntime>>(std::move(engines), pool(), gpu_);
  return std::make_unique<cuda::GpuBackend<cuda::HostRuntime>>(std::move(engines), pool());
}

std::unique_ptr<Context> EmulatedDevice::host_context(Engine& engine) {
  check_place(engine);
  if (kernels_) return engine.context();
  if (gpu_) return std::make_unique<cuda::HostContext<ModelRuntime>>(engine, gpu_);
  return std::make_unique<cuda::HostContext<cuda::HostRuntime>>(engine);
}

std::unique_ptr<Operations> EmulatedDevice::operations() {
  if (gpu_) return std::make_unique<GpuOperations<ModelRuntime, std::shared_ptr<GpuModel>>>(gpu_);
  return std::make_unique<GpuOperations<cuda::HostRuntime>>();
}

}  // namespace trtmtcnn::testing
