// Runs the networks, one after the other in the same buffers, which grow and are kept.
#pragma once

#include <span>
#include <vector>

#include "cuda/buffer.h"
#include "engine.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class NetworkRunner {
 public:
  explicit NetworkRunner(Runtime& runtime) : runtime_(runtime) {}

  // Room for an input of this shape.
  float* input(const Shape& shape) {
    input_.reserve(static_cast<size_t>(volume(shape)));
    return input_.data();
  }

  // Runs a network on what is in input().
  void run(Context& network, const Shape& shape) {
    shapes_ = &network.output_shapes(shape);
    while (outputs_.size() < shapes_->size()) outputs_.emplace_back(runtime_);
    pointers_.clear();
    for (size_t i = 0; i < shapes_->size(); ++i) {
      outputs_[i].reserve(static_cast<size_t>(volume((*shapes_)[i])));
      pointers_.push_back(outputs_[i].data());
    }
    scratch_.reserve(network.scratch_bytes(shape));
    network.use_scratch(scratch_.data(), scratch_.size());
    runtime_.enqueued();
    network.infer(shape, input_.data(), pointers_);
  }

  // Of the network that ran last.
  const std::vector<Shape>& shapes() const { return *shapes_; }
  std::span<float* const> outputs() const { return pointers_; }

 private:
  Runtime& runtime_;
  Buffer<Runtime, float> input_{runtime_};
  Buffer<Runtime, char> scratch_{runtime_};
  std::vector<Buffer<Runtime, float>> outputs_;
  std::vector<float*> pointers_;
  const std::vector<Shape>* shapes_ = nullptr;
};

}  // namespace trtmtcnn::cuda
