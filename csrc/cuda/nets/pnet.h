// P-Net over the image pyramids of a call's frames, in kernels of our own.
#pragma once

#include <algorithm>
#include <limits>
#include <new>
#include <span>
#include <tuple>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/frame_store.h"
#include "cuda/kernels/pyramid.h"
#include "cuda/nets/pnet_layers.h"
#include "cuda/nets/pnet_plan.h"
#include "cuda/staging.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class Pnet {
 public:
  // `net`, which must outlive it, is P-Net's, in the runtime's memory.
  Pnet(Runtime& runtime, Staging<Runtime>& staging, const DeviceNet& net)
      : runtime_(runtime), staging_(staging), layers_(runtime, net) {
    plan_.blocks = layers_.blocks();
  }

  // The levels of the frames that are loaded. Returns whether anything is other than in the call before. What
  // propose() needs of memory is there when this returns.
  bool set(std::span<const Level> levels, const FrameStore<Runtime>& frames) {
    const auto is_as_before = [](const Level& a, const Level& b) {
      return a.size == b.size && a.frame == b.frame && a.scale_x == b.scale_x && a.scale_y == b.scale_y;
    };
    if (is_set_ && frames.mode() == mode_ && frames.host_sizes() == frame_sizes_ &&
        std::equal(levels.begin(), levels.end(), host_levels_.begin(), host_levels_.end(), is_as_before))
      return false;
    is_set_ = false;  // until all of it is
    plan_.set(levels);
    find_tap_starts(levels);
    const PnetTile* tiles;
    const int *pixels, *pooled, *map, *cells;
    std::tie(levels_, tap_starts_, tiles, pixels, pooled, map, cells) = staging_.upload(
        description_, levels, std::span<const int>(host_tap_starts_), std::span<const PnetTile>(plan_.tiles),
        std::span<const int>(plan_.pixel_starts), std::span<const int>(plan_.pooled_starts),
        std::span<const int>(plan_.map_starts), std::span<const int>(plan_.cell_starts));
    for (PnetChunk& chunk : plan_.chunks) {
      chunk.tiles = plan_.at(chunk, tiles, pixels, pooled, map, cells);
      layers_.reserve(chunk.tiles.pixels, chunk.tiles.pooled, chunk.tiles.map_pixels);
    }
    taps_.reserve(tap_count_);
    runtime_.for_each(tap_count_, LevelTaps{frames.frames(), levels_, tap_starts_, static_cast<int>(levels.size()),
                                            frames.area(), taps_.data()});
    mode_ = frames.mode();
    frame_sizes_ = frames.host_sizes();
    host_levels_.assign(levels.begin(), levels.end());
    is_set_ = true;
    return true;
  }

  // Cells of all levels: propose() adds no more boxes.
  int cells() const { return plan_.cells; }

  // Enqueues P-Net over the levels, and the windows of cells whose score is at least `threshold` are added to the
  // boxes. Allocates nothing and copies nothing: it can be captured.
  void propose(const FrameStore<Runtime>& frames, float threshold, const DeviceBoxes& boxes) {
    for (const PnetChunk& chunk : plan_.chunks) {
      runtime_.for_each(chunk.tiles.pixels,
                        PnetPixels{chunk.tiles, frames.frames(), levels_, taps_.data(), tap_starts_, layers_.pixels()});
      layers_.run(chunk.tiles);
      layers_.propose(chunk.tiles, levels_, threshold, boxes);
    }
  }

 private:
  void find_tap_starts(std::span<const Level> levels) {
    host_tap_starts_.clear();
    tap_count_ = 0;
    for (const Level& level : levels) {
      host_tap_starts_.push_back(tap_count_);
      const int sides = level.size.height + level.size.width;
      if (sides > std::numeric_limits<int>::max() - tap_count_) throw std::bad_alloc();  // they are tens of GiB
      tap_count_ += sides;
    }
  }

  Runtime& runtime_;
  Staging<Runtime>& staging_;
  PnetLayers<Runtime> layers_;
  PnetPlan plan_;
  bool is_set_ = false;  // as follows
  Resize mode_ = Resize::kArea;
  std::vector<Size> frame_sizes_;
  std::vector<Level> host_levels_;
  std::vector<int> host_tap_starts_;
  int tap_count_ = 0;

  Buffer<Runtime, std::byte> description_{runtime_};  // what follows, and the plan's tiles
  const Level* levels_ = nullptr;
  const int* tap_starts_ = nullptr;
  Buffer<Runtime, Taps> taps_{runtime_};
};

}  // namespace trtmtcnn::cuda
