// The levels of a call's image pyramids on the device, and the canvases that they are drawn into.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "canvas_plan.h"
#include "cuda/frame_store.h"
#include "cuda/kernels/propose.h"
#include "cuda/kernels/pyramid.h"
#include "cuda/level_set.h"
#include "cuda/staging.h"

namespace trtmtcnn::cuda {

// Canvases of one size, which P-Net sees as one batch.
struct CanvasBatch {
  Size size;
  int images = 0;
  int first_tile = 0, tiles = 0;  // of all tiles
  int pixels = 0, cells = 0;      // of these tiles
};

template <typename Runtime>
class Pyramid {
 public:
  Pyramid(Runtime& runtime, Staging<Runtime>& staging, const Engine& pnet)
      : runtime_(runtime),
        levels_(runtime, staging),
        most_images_(std::min<int64_t>(facts(Net::kPnet).gpu_batch, pnet.largest_input()[0])),
        plan_(kGpuCanvasWidths, kGpuCanvasHeight, pnet) {}

  // Returns whether anything is other than in the call before.
  bool set(std::span<const Level> levels, const FrameStore<Runtime>& frames) {
    if (!levels_.changes(levels, frames)) return false;
    arrange(plan_.canvases(levels));
    std::tie(tiles_, pixel_starts_, cell_starts_) =
        levels_.upload(std::span<const PlacedTile>(host_tiles_), std::span<const int>(host_pixel_starts_),
                       std::span<const int>(host_cell_starts_));
    levels_.make_taps(frames);
    return true;
  }

  std::span<const CanvasBatch> batches() const { return batches_; }

  // Draws a batch's tiles from the frames: (images, 3, height, width).
  void draw(const CanvasBatch& batch, const FrameStore<Runtime>& frames, float* out) {
    runtime_.for_each(batch.pixels, DrawTiles{frames.frames(), levels_.levels(), levels_.taps(), levels_.tap_starts(),
                                              tiles_ + batch.first_tile, pixel_starts_ + batch.first_tile, batch.tiles,
                                              out, batch.size});
  }

  // Adds the cells of a batch whose score is at least `threshold` to the boxes.
  void propose(const CanvasBatch& batch, const GridOutputs& grid, float threshold, const DeviceBoxes& boxes) {
    runtime_.for_each(batch.cells, Propose{levels_.levels(), tiles_ + batch.first_tile, cell_starts_ + batch.first_tile,
                                           batch.tiles, grid, threshold, boxes});
  }

 private:
  // Of a batch: more would keep no GPU busier (not measured), and TensorRT needs scratch for all of it, hundreds of
  // bytes a pixel. Eight 1080p pictures at minsize 40 fit.
  static constexpr int64_t kMostPixels = int64_t{4} << 20;

  void arrange(const std::vector<Canvas>& canvases) {
    std::vector<const Canvas*> by_size;
    for (const Canvas& canvas : canvases) by_size.push_back(&canvas);
    std::stable_sort(by_size.begin(), by_size.end(), [](const Canvas* a, const Canvas* b) {
      return std::tie(a->size.height, a->size.width) < std::tie(b->size.height, b->size.width);
    });
    batches_.clear();
    host_tiles_.clear();
    host_pixel_starts_.clear();
    host_cell_starts_.clear();
    for (const Canvas* canvas : by_size) {
      const int64_t pixels = int64_t{canvas->size.height} * canvas->size.width;
      const bool joins = !batches_.empty() && batches_.back().size == canvas->size &&
                         batches_.back().images < most_images_ && pixels * (batches_.back().images + 1) <= kMostPixels;
      if (!joins) batches_.push_back({canvas->size, 0, static_cast<int>(host_tiles_.size())});
      CanvasBatch& batch = batches_.back();
      for (const Tile& tile : canvas->tiles) {
        host_tiles_.push_back({tile, batch.images});
        host_pixel_starts_.push_back(batch.pixels);
        host_cell_starts_.push_back(batch.cells);
        batch.pixels += tile.width() * tile.height();
        batch.cells += tile.cells_x * tile.cells_y;
        ++batch.tiles;
      }
      ++batch.images;
    }
  }

  Runtime& runtime_;
  LevelSet<Runtime> levels_;
  int64_t most_images_;
  CanvasPlan plan_;
  std::vector<CanvasBatch> batches_;
  std::vector<PlacedTile> host_tiles_;
  std::vector<int> host_pixel_starts_, host_cell_starts_;

  // On the device.
  const PlacedTile* tiles_ = nullptr;
  const int *pixel_starts_ = nullptr, *cell_starts_ = nullptr;  // of each tile, in its batch
};

}  // namespace trtmtcnn::cuda
