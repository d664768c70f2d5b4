// P-Net over the image pyramids of a call's frames, in kernels of our own.
#pragma once

#include <span>

#include "cuda/frame_store.h"
#include "cuda/level_set.h"
#include "cuda/nets/pnet_layers.h"
#include "cuda/nets/pnet_plan.h"
#include "cuda/staging.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class Pnet {
 public:
  // `net`, which must outlive it, is P-Net's, in the runtime's memory.
  Pnet(Runtime& runtime, Staging<Runtime>& staging, const DeviceNet& net)
      : runtime_(runtime), levels_(runtime, staging), layers_(runtime, net) {
    plan_.blocks = layers_.blocks();
  }

  // The levels of the frames that are loaded. Returns whether anything is other than in the call before. What
  // propose() needs of memory is there when this returns.
  bool set(std::span<const Level> levels, const FrameStore<Runtime>& frames) {
    if (!levels_.changes(levels, frames)) return false;
    plan_.set(levels);
    const auto [tiles, pixels, pooled, map, cells] =
        levels_.upload(std::span<const PnetTile>(plan_.tiles), std::span<const int>(plan_.pixel_starts),
                       std::span<const int>(plan_.pooled_starts), std::span<const int>(plan_.map_starts),
                       std::span<const int>(plan_.cell_starts));
    for (PnetChunk& chunk : plan_.chunks) {
      chunk.tiles = plan_.at(chunk, tiles, pixels, pooled, map, cells);
      layers_.reserve(chunk.tiles.pixels, chunk.tiles.pooled, chunk.tiles.map_pixels);
    }
    levels_.make_taps(frames);
    return true;
  }

  // Cells of all levels: propose() adds no more boxes.
  int cells() const { return plan_.cells; }

  // Enqueues P-Net over the levels, and the windows of cells whose score is at least `threshold` are added to the
  // boxes. Allocates nothing and copies nothing: it can be captured.
  void propose(const FrameStore<Runtime>& frames, float threshold, const DeviceBoxes& boxes) {
    for (const PnetChunk& chunk : plan_.chunks) {
      runtime_.for_each(chunk.tiles.pixels, PnetPixels{chunk.tiles, frames.frames(), levels_.levels(), levels_.taps(),
                                                       levels_.tap_starts(), layers_.pixels()});
      layers_.run(chunk.tiles);
      layers_.propose(chunk.tiles, levels_.levels(), threshold, boxes);
    }
  }

 private:
  Runtime& runtime_;
  LevelSet<Runtime> levels_;
  PnetLayers<Runtime> layers_;
  PnetPlan plan_;
};

}  // namespace trtmtcnn::cuda
