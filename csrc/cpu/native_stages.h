// The networks in kernels of our own. P-Net runs over whole levels, row by row, without canvases.
#pragma once

#include <memory>
#include <vector>

#include "cpu/nets/native_engine.h"
#include "cpu/nets/pnet_rows.h"
#include "cpu/stages.h"

namespace trtmtcnn::cpu {

class NativePnet final : public PnetStage {
 public:
  NativePnet(std::shared_ptr<Engine> engine, int threads);  // throws EngineError where it is another network
  void propose(FrameStore& frames, const Pyramid& pyramid, float threshold, int64_t most,
               std::vector<Box>& boxes) override;

 private:
  // Rows of a level's cells that one worker runs P-Net on.
  struct Band {
    int level, first, last;
    std::vector<Box> boxes;
  };

  struct Worker {
    PnetRows rows;
    std::vector<int32_t> positions;
  };

  int split_into_bands(const std::vector<Level>& levels, int threads);
  void propose(FrameStore& frames, const Pyramid& pyramid, float threshold, Band& band, int worker);

  std::shared_ptr<Engine> engine_;
  const PackedNet& net_;
  std::vector<Band> bands_;
  std::vector<Worker> workers_;
};

// The memory that R-Net, O-Net and L-Net work in, one after the other.
struct CropMemory {
  struct Worker {
    CropNet net, lnet;  // the latter in float32 always, and so in memory of its own
    AlignedVector<float> pixels;
    std::vector<float> heads;
  };

  explicit CropMemory(int threads) : workers(threads) {}

  std::vector<Worker> workers;
  std::vector<float> prob, regression, landmarks;  // see HeadOutputs
};

class NativeCrops final : public CropStage {
 public:
  // Throws EngineError where the engine is of another network.
  NativeCrops(Net net, std::shared_ptr<Engine> engine, std::shared_ptr<CropMemory> memory);
  void refine(FrameStore& frames, const Refinement& refinement, BoxSet& boxes) override;

 private:
  void run(FrameStore& frames, const std::vector<Box>& boxes, const Refinement& refinement, int begin, int end,
           int worker);

  std::shared_ptr<Engine> engine_;
  const PackedNet& net_;
  std::shared_ptr<CropMemory> memory_;
};

class NativeLandmarks final : public LandmarkStage {
 public:
  // Throws EngineError where the engine is of another network.
  NativeLandmarks(std::shared_ptr<Engine> engine, std::shared_ptr<CropMemory> memory);
  void refine(FrameStore& frames, bool flip, BoxSet& boxes) override;

 private:
  void run(FrameStore& frames, const BoxSet& boxes, bool flip, int begin, int end, int worker);

  std::shared_ptr<Engine> engine_;
  const PackedNet& net_;
  std::shared_ptr<CropMemory> memory_;
};

}  // namespace trtmtcnn::cpu
