// The levels of a call's image pyramids on the device, and the canvases that they are drawn into.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <span>
#include <tuple>
#include <vector>

#include "canvas_plan.h"
#include "cuda/buffer.h"
#include "cuda/frame_store.h"
#include "cuda/kernels/propose.h"
#include "cuda/kernels/pyramid.h"
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
        staging_(staging),
        most_images_(std::min<int64_t>(facts(Net::kPnet).gpu_batch, pnet.largest_input()[0])),
        plan_(kGpuCanvasWidths, kGpuCanvasHeight, pnet) {}

  // Returns whether anything is other than in the call before.
  bool set(std::span<const Level> levels, const FrameStore<Runtime>& frames) {
    const auto is_as_before = [](const Level& a, const Level& b) {
      return a.size == b.size && a.frame == b.frame && a.scale_x == b.scale_x && a.scale_y == b.scale_y;
    };
    if (is_set_ && frames.mode() == mode_ && frames.host_sizes() == frame_sizes_ &&
        std::equal(levels.begin(), levels.end(), host_levels_.begin(), host_levels_.end(), is_as_before))
      return false;
    is_set_ = false;  // until all of it is
    arrange(plan_.canvases(levels));
    find_tap_starts(levels);
    std::tie(levels_, tap_starts_, tiles_, pixel_starts_, cell_starts_) = staging_.upload(
        description_, levels, std::span<const int>(host_tap_starts_), std::span<const PlacedTile>(host_tiles_),
        std::span<const int>(host_pixel_starts_), std::span<const int>(host_cell_starts_));
    taps_.reserve(tap_count_);
    runtime_.for_each(tap_count_, LevelTaps{frames.frames(), levels_, tap_starts_, static_cast<int>(levels.size()),
                                            frames.area(), taps_.data()});
    mode_ = frames.mode();
    frame_sizes_ = frames.host_sizes();
    host_levels_.assign(levels.begin(), levels.end());
    is_set_ = true;
    return true;
  }

  std::span<const CanvasBatch> batches() const { return batches_; }

  // Draws a batch's tiles from the frames: (images, 3, height, width).
  void draw(const CanvasBatch& batch, const FrameStore<Runtime>& frames, float* out) {
    runtime_.for_each(batch.pixels,
                      DrawTiles{frames.frames(), levels_, taps_.data(), tap_starts_, tiles_ + batch.first_tile,
                                pixel_starts_ + batch.first_tile, batch.tiles, out, batch.size});
  }

  // Adds the cells of a batch whose score is at least `threshold` to the boxes.
  void propose(const CanvasBatch& batch, const GridOutputs& grid, float threshold, const DeviceBoxes& boxes) {
    runtime_.for_each(batch.cells, Propose{levels_, tiles_ + batch.first_tile, cell_starts_ + batch.first_tile,
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
  int64_t most_images_;
  CanvasPlan plan_;
  bool is_set_ = false;  // as follows
  Resize mode_ = Resize::kArea;
  std::vector<Size> frame_sizes_;
  std::vector<Level> host_levels_;
  std::vector<CanvasBatch> batches_;
  std::vector<PlacedTile> host_tiles_;
  std::vector<int> host_tap_starts_, host_pixel_starts_, host_cell_starts_;
  int tap_count_ = 0;

  Buffer<Runtime, std::byte> description_{runtime_};  // what follows
  const Level* levels_ = nullptr;
  const int* tap_starts_ = nullptr;
  const PlacedTile* tiles_ = nullptr;
  const int *pixel_starts_ = nullptr, *cell_starts_ = nullptr;  // of each tile, in its batch
  Buffer<Runtime, Taps> taps_{runtime_};
};

}  // namespace trtmtcnn::cuda
