#include <algorithm>
#include <string>
#include <utility>

#include "cuda/cuda_device.h"
#include "cuda/gpu_backend.h"
#include "cuda/host_context.h"
#include "cuda/nets/load.h"
#include "cuda/nets/net_engine.h"
#include "cuda/stream_runtime.h"
#include "error.h"
#include "runtime/cores.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cuda {
namespace {

class CudaDevice final : public Device {
 public:
  CudaDevice(const tensorrt::Libraries& libraries, int ordinal) : ordinal_(ordinal) {
    process_of_cuda().check();
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorInsufficientDriver) {
      static_cast<void>(cudaGetLastError());
      throw DeviceError("there is no NVIDIA driver, or it is older than CUDA " + std::to_string(CUDART_VERSION / 1000) +
                        "." + std::to_string(CUDART_VERSION % 1000 / 10) +
                        ", which this build uses: install a newer driver");
    }
    check(status, "find a GPU");
    if (ordinal < 0 || ordinal >= count)
      throw DeviceError("there is no GPU " + std::to_string(ordinal) + ": this machine has " + std::to_string(count));
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, ordinal), "describe the GPU");
    if (!libraries.runtime.empty()) tensorrt_ = tensorrt::TensorRt::load(libraries);
    name_ = networks_runtime() + " on " + properties.name + " (sm_" + std::to_string(properties.major) +
            std::to_string(properties.minor) + ")";
  }

  std::string runtime() const override { return name_; }
  std::string flavour() const override {
    if (!tensorrt_) return "cuda";
    return tensorrt_->is_rtx() ? "tensorrt-rtx" : "tensorrt";
  }
  bool on_gpu() const override { return true; }
  int ordinal() const override { return ordinal_; }
  int threads() const override { return copiers_->threads(); }

  std::shared_ptr<Engine> load_engine(std::span<const char> bytes, const std::string& precision) override {
    if (tensorrt_) return tensorrt_->load_plan(bytes, ordinal_);
    return std::make_shared<NetEngine<StreamRuntime>>(read_for_kernels(bytes), is_half(precision), ordinal_, ordinal_);
  }

  std::unique_ptr<Backend> backend(Engines engines) override {
    if (!tensorrt_)
      for (const auto& engine : engines)
        if (engine) require_on(*engine, ordinal_);
    return std::make_unique<GpuBackend<StreamRuntime>>(std::move(engines), copiers_, ordinal_);
  }

  std::unique_ptr<Context> host_context(Engine& engine) override {
    if (!tensorrt_) {
      require_on(engine, ordinal_);
      return engine.context();
    }
    return std::make_unique<HostContext<StreamRuntime>>(engine, ordinal_);
  }

 private:
  std::string networks_runtime() const {
    if (!tensorrt_) return "CUDA kernels";
    return (tensorrt_->is_rtx() ? "TensorRT-RTX " : "TensorRT ") + tensorrt_->version();
  }

  // Not measured: four cores should copy about as much as PCIe carries.
  std::shared_ptr<ThreadPool> copiers_ = std::make_shared<ThreadPool>(std::min(4, usable_cores()));
  int ordinal_;
  std::shared_ptr<tensorrt::TensorRt> tensorrt_;  // null: the networks are kernels of our own
  std::string name_;
};

}  // namespace

const bool kBuilt = true;

std::shared_ptr<Device> make_cuda_device(const tensorrt::Libraries& libraries, int ordinal) {
  return std::make_shared<CudaDevice>(libraries, ordinal);
}

}  // namespace trtmtcnn::cuda
