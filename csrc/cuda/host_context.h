// Runs an engine of the GPU's on arrays in the host's memory: copies in and out around each call.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "cuda/network_runner.h"
#include "engine.h"
#include "runtime/capture_lock.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class HostContext final : public Context {
 public:
  template <typename... Arguments>
  explicit HostContext(Engine& engine, Arguments&&... arguments) : runtime_(std::forward<Arguments>(arguments)...) {
    const NoCapture no_capture;
    context_ = engine.context();
    context_->use_stream(runtime_.stream());
  }

  ~HostContext() override {
    const NoCapture no_capture;
    context_.reset();
  }

  void infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) override {
    const typename Runtime::Current current(runtime_);
    try {
      enqueue(input_shape, input, outputs);
      runtime_.synchronize();
    } catch (...) {
      wait();  // the arrays are the caller's again
      throw;
    }
  }

  const std::vector<Shape>& output_shapes(const Shape& input_shape) override {
    const typename Runtime::Current current(runtime_);
    return context_->output_shapes(input_shape);
  }

 private:
  void enqueue(const Shape& input_shape, const float* input, std::span<float* const> outputs) {
    const std::vector<Shape>& shapes = output_shapes(input_shape);
    runtime_.upload(runner_.input(input_shape), input, static_cast<size_t>(volume(input_shape)) * sizeof(float));
    runner_.run(*context_, input_shape);
    for (size_t i = 0; i < outputs.size(); ++i)
      runtime_.download(outputs[i], runner_.outputs()[i], static_cast<size_t>(volume(shapes[i])) * sizeof(float));
  }

  void wait() noexcept {
    try {
      runtime_.synchronize();
    } catch (...) {  // then nothing runs any more
    }
  }

  Runtime runtime_;
  std::unique_ptr<Context> context_;
  NetworkRunner<Runtime> runner_{runtime_};
};

}  // namespace trtmtcnn::cuda
