// What a device must do. A Backend serves one thread at a time; it owns the frames and the boxes, so that only counts
// and the final faces leave the device.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "boxes.h"
#include "engine.h"
#include "networks.h"
#include "runtime/function_ref.h"
#include "settings.h"
#include "types.h"

namespace trtmtcnn {

using Engines = std::array<std::shared_ptr<Engine>, kNetworks>;  // P-Net, R-Net, O-Net; L-Net or null

// What a network sees of a box: its crop, that crop's mirror image, or both, whose outputs are averaged.
enum class Views { kCrop, kMirrorImage, kBoth };

// How R-Net or O-Net judges boxes.
struct Refinement {
  float threshold = 0;
  bool inclusive_landmarks = true;  // landmarks span the box's inclusive side rather than x2 - x1
  Views views = Views::kCrop;

  bool flip() const { return views == Views::kBoth; }
  bool mirrored() const { return views == Views::kMirrorImage; }
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Takes the frames, resized to `sizes` where these differ, and empties the set of boxes. The pixels must stay until
  // unload(). `mode` is how frames, levels and crops are resized.
  virtual void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) = 0;
  virtual void unload() = 0;

  // Makes the set of boxes that of all P-Net cells whose score is at least the threshold, each as its window with the
  // regression pending, and calls `suppress`. Where the same levels and settings come again, a device may repeat the
  // work that `suppress` enqueued instead of calling it.
  virtual void propose(std::span<const Level> levels, const PnetSettings& settings, FunctionRef suppress) = 0;

  // Runs R-Net or O-Net on a crop of each square and drops boxes with scores below the threshold. The others get their
  // score, regression and, from O-Net, landmarks, in pixels.
  virtual void refine(Net net, const Refinement& refinement) = 0;

  // Runs L-Net, which there must be, on the patches about each box's landmarks, and moves them. flip: as above.
  virtual void refine_landmarks(bool flip) = 0;

  // Whether a whole cascade can be enqueued before any of its boxes is counted.
  virtual bool runs_ahead() const { return false; }

  // All stages: propose(), then `later`, which does what follows by Boxes::left(), refine() and refine_landmarks().
  // Where the backend runs ahead, nothing of it waits: the boxes are there after finish_cascade(), and the work may be
  // repeated, both captured and with more room; `budgets`, which no other backend is given, are what the frames may
  // cost, or empty: see Boxes::charge().
  virtual void begin_cascade(std::span<const Level> levels, const CascadeSettings& settings,
                             std::span<const int64_t> /*budgets*/, FunctionRef suppress, FunctionRef later) {
    propose(levels, settings.pnet, suppress);
    later();
  }
  // With what begin_cascade() was given. Waits, and has the work done again where there was too little room.
  virtual void finish_cascade(const CascadeSettings& /*settings*/, std::span<const int64_t> /*budgets*/,
                              FunctionRef /*suppress*/, FunctionRef /*later*/) {}
  // Both at once, from boxes that are known, in the place of P-Net's.
  virtual void cascade(std::span<const Box> known, const CascadeSettings& /*settings*/, FunctionRef later) {
    boxes().assign(known);
    later();
  }

  virtual Boxes& boxes() = 0;

  // The CUDA stream that pictures in GPU memory must be ready on; null on a CPU.
  virtual void* stream() { return nullptr; }
};

}  // namespace trtmtcnn
