// Compiled once for each major version of TensorRT's headers, with TRTMTCNN_TENSORRT_MAJOR naming it.
#include "tensorrt/plan.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "error.h"
#include "runtime/capture_lock.h"
#include "runtime/cuda_driver.h"
#include "runtime/fork_guard.h"
#include "tensorrt/diagnosis.h"
#include "tensorrt/dims.h"
#include "tensorrt/logger.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {
namespace {

// In destructors, which cannot throw. Where the GPU cannot be used any more its memory is gone.
template <typename Work>
void on_gpu(int gpu, Work&& work) noexcept {
  std::optional<CurrentGpu> current;
  try {
    current.emplace(gpu);
  } catch (const DeviceError&) {
  }
  work();
}

// What must live as long as any context does; destroyed last to first.
struct LoadedPlan {
  LoadedPlan() = default;
  ~LoadedPlan() {
    if (!process.is_this()) {  // where TensorRT cannot destroy anything
      static_cast<void>(engine.release());
      static_cast<void>(runtime.release());
      return;
    }
    const NoCapture no_capture;
    on_gpu(gpu, [this] {
      engine.reset();
      runtime.reset();
    });
  }
  LoadedPlan(const LoadedPlan&) = delete;
  LoadedPlan& operator=(const LoadedPlan&) = delete;

  ForkGuard process;
  std::shared_ptr<LoadedLibraries> libraries;
  int gpu;  // -1: the calling thread's
  Logger logger;
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::unique_ptr<nvinfer1::ICudaEngine> engine;
  TensorInfo input;
  std::vector<TensorInfo> outputs;
};

// Up to so many bytes, a context asks for the scratch of its largest shape: to ask TensorRT what a single shape needs
// takes time, and R-Net's and O-Net's batches change with every picture.
constexpr size_t kSmallScratch = size_t{64} << 20;

// Whose outputs' shapes a context remembers.
constexpr size_t kMostShapes = 64;

class PlanContext final : public Context {
 public:
  explicit PlanContext(std::shared_ptr<LoadedPlan> plan) : plan_(std::move(plan)) {
    // The caller owns the scratch: else each context would hold what the largest shape of its profile takes.
    context_.reset(plan_->engine->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
    if (context_) return;
    const std::string why = plan_->logger.take();
    throw DeviceError(message_of("TensorRT cannot make an execution context", why.empty() ? "out of memory?" : why));
  }

  ~PlanContext() override {
    if (plan_->process.is_this())
      on_gpu(plan_->gpu, [this] { context_.reset(); });
    else
      static_cast<void>(context_.release());
  }

  void use_stream(void* stream) override { stream_ = static_cast<cudaStream_t>(stream); }

  size_t scratch_bytes(const Shape& input_shape) override {
    set_shape(input_shape);
    return scratch_bytes_;
  }

  void use_scratch(void* memory, size_t bytes) override { scratch_ = {memory, bytes}; }

  void infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) override {
    set_shape(input_shape);
    if (bound_scratch_ != scratch_) {
      context_->setDeviceMemoryV2(scratch_.memory, static_cast<int64_t>(scratch_.bytes));
      bound_scratch_ = scratch_;
    }
    bool bound = context_->setInputTensorAddress(plan_->input.name.c_str(), input);
    for (size_t i = 0; i < outputs.size(); ++i)
      bound = bound && context_->setTensorAddress(plan_->outputs[i].name.c_str(), outputs[i]);
    if (!bound || !context_->enqueueV3(stream_))
      throw DeviceError(message_of("TensorRT cannot run the engine", plan_->logger.take()));
  }

  const std::vector<Shape>& output_shapes(const Shape& input_shape) override {
    const auto found = output_shapes_.find(input_shape);
    if (found != output_shapes_.end()) return found->second;
    set_shape(input_shape);
    if (output_shapes_.size() >= kMostShapes) output_shapes_.clear();
    std::vector<Shape> shapes;
    for (const TensorInfo& o : plan_->outputs)
      shapes.push_back(shape_of(context_->getTensorShape(o.name.c_str()), o.name));
    return output_shapes_.emplace(input_shape, std::move(shapes)).first->second;
  }

 private:
  struct Scratch {
    void* memory = nullptr;
    size_t bytes = 0;
    bool operator==(const Scratch&) const = default;
  };

  void set_shape(const Shape& input_shape) {
    if (input_shape == shape_) return;
    shape_ = {};  // unless all of what follows succeeds
    if (!context_->setInputShape(plan_->input.name.c_str(), dims_of(input_shape)))
      throw EngineError("the engine was not built for an input of shape " + to_string(input_shape) + ": " +
                        plan_->logger.take() + "; run create_engines with a larger profile");
    scratch_bytes_ = static_cast<size_t>(plan_->engine->getDeviceMemorySizeV2());  // for any shape
    if (scratch_bytes_ > kSmallScratch) {
      const size_t exact = context_->updateDeviceMemorySizeForShapes();
      if (exact > 0) scratch_bytes_ = exact;  // 0 is an error
      bound_scratch_.reset();                 // TensorRT wants it set again
    }
    shape_ = input_shape;
  }

  std::shared_ptr<LoadedPlan> plan_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  cudaStream_t stream_ = nullptr;
  Shape shape_{};                         // of the context's input
  size_t scratch_bytes_ = 0;              // that this shape needs
  Scratch scratch_;                       // given by the caller
  std::optional<Scratch> bound_scratch_;  // set in the context
  std::map<Shape, std::vector<Shape>> output_shapes_;
};

class PlanImplementation final : public Plan {
 public:
  explicit PlanImplementation(std::shared_ptr<LoadedPlan> plan) : plan_(std::move(plan)) {
    for (const Profile& profile : profiles())
      for (size_t i = 0; i < largest_.size(); ++i) largest_[i] = std::max(largest_[i], profile.max[i]);
  }

  const TensorInfo& input() const override { return plan_->input; }
  const std::vector<TensorInfo>& outputs() const override { return plan_->outputs; }
  Shape largest_input() const override { return largest_; }

  std::unique_ptr<Context> context() override {
    plan_->process.check();
    const CurrentGpu current(plan_->gpu);
    return std::make_unique<PlanContext>(plan_);
  }

  std::vector<Profile> profiles() const override {
    std::vector<Profile> all;
    using Select = nvinfer1::OptProfileSelector;
    const std::string& name = plan_->input.name;
    for (int i = 0; i < plan_->engine->getNbOptimizationProfiles(); ++i) {
      const auto shape = [&](Select which) {
        return shape_of(plan_->engine->getProfileShape(name.c_str(), i, which), name);
      };
      all.push_back({shape(Select::kMIN), shape(Select::kOPT), shape(Select::kMAX)});
    }
    return all;
  }

  int64_t device_memory() const override { return plan_->engine->getDeviceMemorySizeV2(); }

 private:
  std::shared_ptr<LoadedPlan> plan_;
  Shape largest_{};
};

}  // namespace

std::shared_ptr<Plan> load_plan(std::shared_ptr<LoadedLibraries> libraries, std::span<const char> bytes, int gpu) {
  const NoCapture no_capture;
  const CurrentGpu current(gpu);
  auto plan = std::make_shared<LoadedPlan>();
  plan->libraries = std::move(libraries);
  plan->gpu = gpu;
  plan->runtime.reset(
      static_cast<nvinfer1::IRuntime*>(plan->libraries->create_runtime(&plan->logger, NV_TENSORRT_VERSION)));
  const std::string why = plan->logger.take();
  if (!plan->runtime || !why.empty()) {
    // Where CUDA cannot start, TensorRT 10.15 returns a runtime all the same, whose every function crashes: its
    // destructor, too. That it has failed is known by the logger alone, whatever it was told.
    static_cast<void>(plan->runtime.release());
    throw DeviceError(message_of("TensorRT cannot start", why));
  }
  plan->engine.reset(plan->runtime->deserializeCudaEngine(bytes.data(), bytes.size()));
  if (!plan->engine) fail("TensorRT cannot load the engine", plan->logger.take());
  nvinfer1::ICudaEngine& engine = *plan->engine;
  for (int i = 0; i < engine.getNbIOTensors(); ++i) {
    const char* name = engine.getIOTensorName(i);
    if (engine.getTensorDataType(name) != nvinfer1::DataType::kFLOAT)
      throw EngineError(std::string("the tensor \"") + name + "\" is not float32");
    TensorInfo info{name, shape_of(engine.getTensorShape(name), name)};
    if (engine.getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT)
      plan->input = std::move(info);
    else
      plan->outputs.push_back(std::move(info));
  }
  return std::make_shared<PlanImplementation>(std::move(plan));
}

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
