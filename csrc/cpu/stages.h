// How the CPU backend runs a network. native_stages.h: in kernels of our own; engine_stages.h: in any other runtime.
#pragma once

#include "backend.h"
#include "cpu/box_set.h"
#include "cpu/frame_store.h"
#include "cpu/pyramid.h"

namespace trtmtcnn::cpu {

class PnetStage {
 public:
  virtual ~PnetStage() = default;
  // Adds all cells whose score is at least `threshold` to the boxes; where these are more than `most`, some of them.
  virtual void propose(FrameStore& frames, const Pyramid& pyramid, float threshold, int64_t most,
                       std::vector<Box>& boxes) = 0;
};

class CropStage {
 public:
  virtual ~CropStage() = default;
  // As Backend::refine().
  virtual void refine(FrameStore& frames, const Refinement& refinement, BoxSet& boxes) = 0;
};

class LandmarkStage {
 public:
  virtual ~LandmarkStage() = default;
  // As Backend::refine_landmarks().
  virtual void refine(FrameStore& frames, bool flip, BoxSet& boxes) = 0;
};

}  // namespace trtmtcnn::cpu
