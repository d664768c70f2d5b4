#include "testing/model_engine.h"

#include <cstring>
#include <map>
#include <utility>

#include "error.h"
#include "networks.h"
#include "runtime/capture_lock.h"
#include "testing/stream_model.h"

namespace trtmtcnn::testing {
namespace {

// As create_engines builds them.
constexpr int64_t kMostPnetBatch = 8;

class ModelContext final : public Context {
 public:
  ModelContext(std::shared_ptr<Context> context, std::shared_ptr<GpuModel> gpu)
      : context_(std::move(context)), gpu_(std::move(gpu)) {
    gpu_->forbid_while_capturing("make a context");
    gpu_->call(Call::kContext, "", 0);
  }

  void use_stream(void* stream) override { stream_ = static_cast<StreamModel*>(stream); }
  size_t scratch_bytes(const Shape& shape) override { return static_cast<size_t>(volume(shape)) + 256; }
  void use_scratch(void* memory, size_t bytes) override { scratch_ = memory, scratch_bytes_ = bytes; }

  void infer(const Shape& shape, const float* input, std::span<float* const> outputs) override {
    gpu_->call(Call::kNetwork, to_string(shape), static_cast<size_t>(shape[0]));
    if (shape_ != Shape{} && shape != shape_) gpu_->call(Call::kReshape, to_string(shape), 0);
    if (shape != shape_) stream_->forbid_while_capturing("run a network on an input of another shape than before");
    shape_ = shape;
    if (!gpu_->memory().holds(scratch_, scratch_bytes(shape), GpuMemory::Kind::kDevice))
      throw DeviceError("misuse of CUDA: a network has no scratch memory");
    stream_->enqueue([shape, input, to = std::vector<float*>(outputs.begin(), outputs.end()), context = context_,
                      scratch = scratch_, bytes = scratch_bytes_] {
      std::memset(scratch, 0x7F, bytes);
      context->infer(shape, input, to);
    });
  }

  const std::vector<Shape>& output_shapes(const Shape& shape) override {
    const auto found = shapes_.find(shape);
    return found != shapes_.end() ? found->second
                                  : shapes_.emplace(shape, context_->output_shapes(shape)).first->second;
  }

 private:
  std::shared_ptr<Context> context_;
  std::shared_ptr<GpuModel> gpu_;
  StreamModel* stream_ = nullptr;
  Shape shape_{};  // of the last input
  void* scratch_ = nullptr;
  size_t scratch_bytes_ = 0;
  std::map<Shape, std::vector<Shape>> shapes_;
};

class ModelEngine final : public Engine {
 public:
  ModelEngine(std::shared_ptr<Engine> engine, std::shared_ptr<GpuModel> gpu)
      : engine_(std::move(engine)), gpu_(std::move(gpu)) {}

  const GpuModel* gpu() const { return gpu_.get(); }
  const TensorInfo& input() const override { return engine_->input(); }
  const std::vector<TensorInfo>& outputs() const override { return engine_->outputs(); }
  std::unique_ptr<Context> context() override { return std::make_unique<ModelContext>(engine_->context(), gpu_); }

  Shape largest_input() const override {
    for (int i = 0; i < kNetworks; ++i) {
      const NetworkFacts& net = kFacts[i];
      const int channels = input_channels(static_cast<Net>(i));
      if (net.side > 0 && input().shape[1] == channels && input().shape[2] == net.side)
        return {net.gpu_batch, channels, net.side, net.side};
    }
    return {kMostPnetBatch, 3, kGpuCanvasHeight, kGpuCanvasHeight};
  }

 private:
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<GpuModel> gpu_;
};

}  // namespace

std::shared_ptr<Engine> to_gpu(std::shared_ptr<Engine> engine, std::shared_ptr<GpuModel> gpu) {
  const NoCapture no_capture;
  gpu->forbid_while_capturing("load an engine");
  gpu->call(Call::kLoad, "", 0);
  return std::make_shared<ModelEngine>(std::move(engine), std::move(gpu));
}

void check_place(const Engine& engine, const GpuModel* gpu) {
  const auto* on_gpu = dynamic_cast<const ModelEngine*>(&engine);
  if ((on_gpu ? on_gpu->gpu() : nullptr) != gpu) throw EngineError("this engine was loaded on another device");
}

}  // namespace trtmtcnn::testing
