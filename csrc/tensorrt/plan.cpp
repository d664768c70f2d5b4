// Compiled once for each major version of TensorRT's headers, with TRTMTCNN_TENSORRT_MAJOR naming it.
#include "tensorrt/plan.h"

#include <memory>
#include <string>
#include <utility>

#include "error.h"
#include "tensorrt/diagnosis.h"
#include "tensorrt/logger.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {
namespace {

Shape shape_of(const nvinfer1::Dims& dims, const std::string& name) {
  if (dims.nbDims == 2) return {dims.d[0], dims.d[1], 1, 1};
  if (dims.nbDims != 4)
    throw EngineError("the tensor \"" + name + "\" has neither four (n, c, h, w) nor two dimensions");
  return {dims.d[0], dims.d[1], dims.d[2], dims.d[3]};
}

nvinfer1::Dims dims(const Shape& shape) {
  nvinfer1::Dims d{};
  d.nbDims = 4;
  for (int i = 0; i < 4; ++i) d.d[i] = shape[i];
  return d;
}

// What must live as long as any context does; destroyed last to first.
struct Shared {
  std::shared_ptr<LoadedLibraries> libraries;
  Logger logger;
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::unique_ptr<nvinfer1::ICudaEngine> engine;
  TensorInfo input;
  std::vector<TensorInfo> outputs;
};

// Scratch of which no shape's share is worth asking for: R-Net's and O-Net's batches change with every picture.
constexpr int64_t kLittle = int64_t{64} << 20;

class PlanContextImplementation final : public PlanContext {
 public:
  explicit PlanContextImplementation(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
    // Else each context would hold what the largest shape of its profile takes.
    context_.reset(
        shared_->engine->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
    if (!context_) {
      const std::string why = shared_->logger.take();
      throw DeviceError("TensorRT cannot make an execution context: " +
                        (why.empty() ? "out of GPU memory?" : with_mend(why)));
    }
  }

  std::vector<Shape> output_shapes(const Shape& input) override {
    set_shape(input);
    std::vector<Shape> shapes;
    for (const TensorInfo& o : shared_->outputs)
      shapes.push_back(shape_of(context_->getTensorShape(o.name.c_str()), o.name));
    return shapes;
  }

  int64_t scratch_bytes(const Shape& input) override {
    set_shape(input);
    return scratch_bytes_;
  }

  void enqueue(const Shape& input_shape, const void* input, std::span<void* const> outputs, void* scratch,
               int64_t scratch_bytes, void* stream) override {
    set_shape(input_shape);
    if (scratch != scratch_ || scratch_bytes != given_bytes_) {
      context_->setDeviceMemoryV2(scratch, scratch_bytes);
      scratch_ = scratch;
      given_bytes_ = scratch_bytes;
    }
    bool bound = context_->setInputTensorAddress(shared_->input.name.c_str(), input);
    for (size_t i = 0; i < outputs.size(); ++i)
      bound = bound && context_->setTensorAddress(shared_->outputs[i].name.c_str(), outputs[i]);
    if (!bound || !context_->enqueueV3(static_cast<cudaStream_t>(stream)))
      throw DeviceError("TensorRT cannot run the engine: " + with_mend(shared_->logger.take()));
  }

 private:
  void set_shape(const Shape& input) {
    if (input == shape_) return;
    if (!context_->setInputShape(shared_->input.name.c_str(), dims(input)))
      throw EngineError("the engine was not built for an input of shape " + to_string(input) + ": " +
                        shared_->logger.take() + "; run create_engines with a larger profile");
    shape_ = input;
    scratch_bytes_ = shared_->engine->getDeviceMemorySizeV2();  // for any shape
    if (scratch_bytes_ <= kLittle) return;
    const int64_t exact = static_cast<int64_t>(context_->updateDeviceMemorySizeForShapes());
    if (exact > 0) scratch_bytes_ = exact;  // 0 is an error
    given_bytes_ = -1;
  }

  std::shared_ptr<Shared> shared_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  Shape shape_{};
  int64_t scratch_bytes_ = 0;  // for shape_
  void* scratch_ = nullptr;    // that the context has, as many bytes as:
  int64_t given_bytes_ = -1;   // none for shape_ yet
};

class PlanImplementation final : public Plan {
 public:
  explicit PlanImplementation(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  const TensorInfo& input() const override { return shared_->input; }
  const std::vector<TensorInfo>& outputs() const override { return shared_->outputs; }

  std::vector<Profile> profiles() const override {
    std::vector<Profile> all;
    using Select = nvinfer1::OptProfileSelector;
    const std::string& name = shared_->input.name;
    for (int i = 0; i < shared_->engine->getNbOptimizationProfiles(); ++i) {
      const auto shape = [&](Select which) {
        return shape_of(shared_->engine->getProfileShape(name.c_str(), i, which), name);
      };
      all.push_back({shape(Select::kMIN), shape(Select::kOPT), shape(Select::kMAX)});
    }
    return all;
  }

  int64_t device_memory() const override { return shared_->engine->getDeviceMemorySizeV2(); }

  std::unique_ptr<PlanContext> context() override { return std::make_unique<PlanContextImplementation>(shared_); }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::shared_ptr<Plan> load_plan(std::shared_ptr<LoadedLibraries> libraries, std::span<const char> bytes) {
  auto shared = std::make_shared<Shared>();
  shared->libraries = std::move(libraries);
  shared->runtime.reset(
      static_cast<nvinfer1::IRuntime*>(shared->libraries->create_runtime(&shared->logger, NV_TENSORRT_VERSION)));
  if (!shared->runtime) throw DeviceError("TensorRT cannot start: " + with_mend(shared->logger.take()));
  shared->engine.reset(shared->runtime->deserializeCudaEngine(bytes.data(), bytes.size()));
  if (!shared->engine) {
    const std::string why = shared->logger.take();
    const std::string message = "TensorRT cannot load the engine: " + with_mend(why);
    if (is_device_fault(why)) throw DeviceError(message);
    throw EngineError(message);
  }
  nvinfer1::ICudaEngine& engine = *shared->engine;
  for (int i = 0; i < engine.getNbIOTensors(); ++i) {
    const char* name = engine.getIOTensorName(i);
    if (engine.getTensorDataType(name) != nvinfer1::DataType::kFLOAT)
      throw EngineError(std::string("the tensor \"") + name + "\" is not float32");
    TensorInfo info{name, shape_of(engine.getTensorShape(name), name)};
    if (engine.getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT)
      shared->input = std::move(info);
    else
      shared->outputs.push_back(std::move(info));
  }
  return std::make_shared<PlanImplementation>(std::move(shared));
}

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
