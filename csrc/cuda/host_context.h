// Runs an engine of the GPU's on arrays in the host's memory: copies in and out around each call.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "cuda/buffer.h"
#include "engine.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class HostContext final : public Context {
 public:
  template <typename... Arguments>
  explicit HostContext(Engine& engine, Arguments&&... arguments)
      : runtime_(std::forward<Arguments>(arguments)...), context_(engine.context()) {
    context_->use_stream(runtime_.stream());
  }

  void infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) override {
    const std::vector<Shape>& shapes = output_shapes(input_shape);
    const size_t n = static_cast<size_t>(volume(input_shape));
    input_.reserve(n);
    runtime_.upload(input_.data(), input, n * sizeof(float));
    std::vector<float*> pointers;
    for (size_t i = 0; i < shapes.size(); ++i) {
      if (outputs_.size() <= i) outputs_.emplace_back(runtime_);
      outputs_[i].reserve(static_cast<size_t>(volume(shapes[i])));
      pointers.push_back(outputs_[i].data());
    }
    scratch_.reserve(context_->scratch_bytes(input_shape));
    context_->use_scratch(scratch_.data(), scratch_.size());
    context_->infer(input_shape, input_.data(), std::span<float* const>(pointers.data(), outputs.size()));
    for (size_t i = 0; i < outputs.size(); ++i)
      runtime_.download(outputs[i], pointers[i], static_cast<size_t>(volume(shapes[i])) * sizeof(float));
    runtime_.synchronize();
  }

  const std::vector<Shape>& output_shapes(const Shape& input_shape) override {
    runtime_.use();
    return context_->output_shapes(input_shape);
  }

 private:
  Runtime runtime_;
  std::unique_ptr<Context> context_;
  Buffer<Runtime, float> input_{runtime_};
  Buffer<Runtime, char> scratch_{runtime_};
  std::vector<Buffer<Runtime, float>> outputs_;
};

}  // namespace trtmtcnn::cuda
