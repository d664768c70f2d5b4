// Networks in a runtime that takes whole tensors: P-Net on canvases, the others on batches of crops.
#pragma once

#include <memory>
#include <vector>

#include "canvas_plan.h"
#include "cpu/stages.h"

namespace trtmtcnn::cpu {

// A network and its buffers, which grow and are kept: runtimes bind their addresses.
class EngineRunner {
 public:
  explicit EngineRunner(std::shared_ptr<Engine> engine) : engine_(std::move(engine)), context_(engine_->context()) {}

  const Engine& engine() const { return *engine_; }
  float* input(const Shape& shape);
  // Runs the network on what is in input().
  void run(const Shape& shape);
  const std::vector<Shape>& shapes() const { return *shapes_; }
  std::span<float* const> outputs() const { return pointers_; }

 private:
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Context> context_;
  std::vector<float> input_;
  std::vector<std::vector<float>> outputs_;
  std::vector<float*> pointers_;
  const std::vector<Shape>* shapes_ = nullptr;
};

class CanvasPnet final : public PnetStage {
 public:
  explicit CanvasPnet(std::shared_ptr<Engine> engine);
  void propose(FrameStore& frames, const Pyramid& pyramid, float threshold, int64_t most,
               std::vector<Box>& boxes) override;

 private:
  void draw(FrameStore& frames, const Pyramid& pyramid, const Canvas& canvas);

  EngineRunner runner_;
  CanvasPlan plan_;
  std::vector<int32_t> positions_;
};

class BatchedCrops final : public CropStage {
 public:
  BatchedCrops(Net net, std::shared_ptr<Engine> engine) : net_(net), runner_(std::move(engine)) {}
  void refine(FrameStore& frames, const Refinement& refinement, BoxSet& boxes) override;

 private:
  void crop(FrameStore& frames, const Box* boxes, int n, const Refinement& refinement, float* out);

  Net net_;
  EngineRunner runner_;
};

class BatchedLandmarks final : public LandmarkStage {
 public:
  explicit BatchedLandmarks(std::shared_ptr<Engine> engine) : runner_(std::move(engine)) {}
  void refine(FrameStore& frames, bool flip, BoxSet& boxes) override;

 private:
  void crop(FrameStore& frames, const BoxSet& boxes, int begin, int n, bool flip, float* out);

  EngineRunner runner_;
};

}  // namespace trtmtcnn::cpu
