#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "cuda/buffer.h"
#include "cuda/cuda_device.h"
#include "cuda/cuda_runtime.h"
#include "cuda/gpu_backend.h"
#include "error.h"
#include "runtime/cores.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cuda {
namespace {

using tensorrt::Plan;
using tensorrt::PlanContext;

class CudaContext : public Context {
 public:
  CudaContext(std::shared_ptr<Plan> plan, int device) : plan_(std::move(plan)), device_(device) {
    check(cudaSetDevice(device_), "use the GPU");
    context_ = plan_->context();
  }

  void use_stream(void* stream) override { stream_ = stream; }

  size_t scratch_bytes(const Shape& input_shape) override {
    return static_cast<size_t>(context_->scratch_bytes(input_shape));
  }

  void use_scratch(void* memory, size_t bytes) override {
    scratch_ = memory;
    scratch_bytes_ = static_cast<int64_t>(bytes);
  }

  void infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) override {
    pointers_.assign(outputs.begin(), outputs.end());
    context_->enqueue(input_shape, input, pointers_, scratch_, scratch_bytes_, stream_);
  }

  const std::vector<Shape>& output_shapes(const Shape& input_shape) override {
    const auto found = shapes_.find(input_shape);
    if (found != shapes_.end()) return found->second;
    return shapes_.emplace(input_shape, context_->output_shapes(input_shape)).first->second;
  }

 private:
  std::shared_ptr<Plan> plan_;
  int device_;
  std::unique_ptr<PlanContext> context_;
  void* stream_ = nullptr;
  void* scratch_ = nullptr;
  int64_t scratch_bytes_ = 0;
  std::vector<void*> pointers_;
  std::map<Shape, std::vector<Shape>> shapes_;
};

// Copies in and out of host memory around each call.
class HostCudaContext final : public Context {
 public:
  HostCudaContext(std::shared_ptr<Plan> plan, int device)
      : runtime_(device), context_(std::move(plan), device), input_(runtime_), scratch_(runtime_) {
    context_.use_stream(runtime_.stream());
  }

  void infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) override {
    runtime_.use();
    const std::vector<Shape>& shapes = context_.output_shapes(input_shape);
    const size_t n = static_cast<size_t>(volume(input_shape));
    input_.reserve(n);
    runtime_.upload(input_.data(), input, n * sizeof(float));
    std::vector<float*> pointers;
    for (size_t i = 0; i < shapes.size(); ++i) {
      if (outputs_.size() <= i) outputs_.emplace_back(runtime_);
      outputs_[i].reserve(static_cast<size_t>(volume(shapes[i])));
      pointers.push_back(outputs_[i].data());
    }
    scratch_.reserve(context_.scratch_bytes(input_shape));
    context_.use_scratch(scratch_.data(), scratch_.size());
    context_.infer(input_shape, input_.data(), std::span<float* const>(pointers.data(), outputs.size()));
    for (size_t i = 0; i < outputs.size(); ++i)
      runtime_.download(outputs[i], pointers[i], static_cast<size_t>(volume(shapes[i])) * sizeof(float));
    runtime_.synchronize();
  }

  const std::vector<Shape>& output_shapes(const Shape& input_shape) override {
    runtime_.use();
    return context_.output_shapes(input_shape);
  }

 private:
  CudaRuntime runtime_;
  CudaContext context_;
  Buffer<CudaRuntime, float> input_;
  Buffer<CudaRuntime, char> scratch_;
  std::vector<Buffer<CudaRuntime, float>> outputs_;
};

class CudaEngine final : public Engine {
 public:
  CudaEngine(std::shared_ptr<Plan> plan, int device) : plan_(std::move(plan)), device_(device) {
    for (const tensorrt::Profile& profile : plan_->profiles())
      for (size_t i = 0; i < largest_.size(); ++i) largest_[i] = std::max(largest_[i], profile.max[i]);
  }

  const TensorInfo& input() const override { return plan_->input(); }
  const std::vector<TensorInfo>& outputs() const override { return plan_->outputs(); }
  Shape largest_input() const override { return largest_; }
  std::unique_ptr<Context> context() override { return std::make_unique<CudaContext>(plan_, device_); }
  std::unique_ptr<Context> host_context() override { return std::make_unique<HostCudaContext>(plan_, device_); }

 private:
  std::shared_ptr<Plan> plan_;
  int device_;
  Shape largest_{};
};

class CudaDevice final : public Device {
 public:
  CudaDevice(const tensorrt::Libraries& libraries, int ordinal) : ordinal_(ordinal) {
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
    check(cudaSetDevice(ordinal), "use the GPU");
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, ordinal), "describe the GPU");
    tensorrt_ = tensorrt::TensorRt::load(libraries);
    name_ = std::string(tensorrt_->is_rtx() ? "TensorRT-RTX " : "TensorRT ") + tensorrt_->version() + " on " +
            properties.name + " (sm_" + std::to_string(properties.major) + std::to_string(properties.minor) + ")";
  }

  std::string runtime() const override { return name_; }

  std::shared_ptr<Engine> load_engine(std::span<const char> bytes, const std::string&) override {
    check(cudaSetDevice(ordinal_), "use the GPU");
    return std::make_shared<CudaEngine>(tensorrt_->load_plan(bytes), ordinal_);
  }

  std::unique_ptr<Backend> backend() override { return std::make_unique<GpuBackend<CudaRuntime>>(copiers_, ordinal_); }

 private:
  // Not measured: four cores should copy about as much as PCIe carries.
  std::shared_ptr<ThreadPool> copiers_ = std::make_shared<ThreadPool>(std::min(4, usable_cores()));
  int ordinal_;
  std::shared_ptr<tensorrt::TensorRt> tensorrt_;
  std::string name_;
};

}  // namespace

std::shared_ptr<Device> make_cuda_device(const tensorrt::Libraries& libraries, int ordinal) {
  return std::make_shared<CudaDevice>(libraries, ordinal);
}

}  // namespace trtmtcnn::cuda
