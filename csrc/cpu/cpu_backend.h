// Backend on the CPU.
#pragma once

#include <memory>

#include "backend.h"
#include "cpu/box_set.h"
#include "cpu/frame_store.h"
#include "cpu/pyramid.h"
#include "cpu/stages.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cpu {

class CpuBackend final : public Backend {
 public:
  CpuBackend(const std::shared_ptr<ThreadPool>& pool, Engines engines);

  void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) override;
  void unload() override;
  void propose(std::span<const Level> levels, const PnetSettings& settings, FunctionRef suppress) override;
  void refine(Net net, const Refinement& refinement) override;
  void refine_landmarks(bool flip) override;
  BoxSet& boxes() override { return boxes_; }

 private:
  void check_proposals(const std::vector<Box>& proposals, int frames, int most);

  std::vector<int> proposals_;  // of each frame, while they are counted
  FrameStore frames_;
  Pyramid pyramid_;
  BoxSet boxes_;
  std::unique_ptr<PnetStage> pnet_;
  std::unique_ptr<CropStage> rnet_, onet_;
  std::unique_ptr<LandmarkStage> lnet_;  // may be null
};

}  // namespace trtmtcnn::cpu
