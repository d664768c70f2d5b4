// The levels of a call's image pyramids on the device, and the canvases that they are drawn into.
#pragma once

#include <algorithm>
#include <limits>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "canvas_plan.h"
#include "cuda/buffer.h"
#include "cuda/frame_store.h"
#include "cuda/kernels/propose.h"
#include "cuda/kernels/pyramid.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class Pyramid {
 public:
  Pyramid(Runtime& runtime, const Engine& pnet) : runtime_(runtime), plan_(kGpuCanvasWidths, kGpuCanvasHeight, pnet) {}

  // Returns whether anything is other than in the call before.
  bool set(std::span<const Level> levels, const FrameStore<Runtime>& frames) {
    canvases_ = &plan_.canvases(levels);
    const auto is_as_before = [](const Level& a, const Level& b) {
      return a.size == b.size && a.frame == b.frame && a.scale_x == b.scale_x && a.scale_y == b.scale_y;
    };
    if (frames.mode() == mode_ && frames.host_sizes() == frame_sizes_ &&
        std::equal(levels.begin(), levels.end(), host_levels_.begin(), host_levels_.end(), is_as_before))
      return false;
    canvas_memory_.clear();
    host_levels_.clear();  // should there be no memory for them
    upload(runtime_, levels_, std::vector<Level>(levels.begin(), levels.end()));
    make_taps(levels, frames);
    mode_ = frames.mode();
    frame_sizes_ = frames.host_sizes();
    host_levels_.assign(levels.begin(), levels.end());
    return true;
  }

  const std::vector<Canvas>& canvases() const { return *canvases_; }

  // Draws canvas c's tiles from the frames: (3, height, width).
  void draw(size_t c, const FrameStore<Runtime>& frames, float* out) {
    const CanvasMemory& memory = canvas_memory(c);
    runtime_.for_each(memory.pixels,
                      DrawTiles{frames.frames(), levels_.data(), taps_.data(), tap_starts_.data(), memory.tiles.data(),
                                memory.pixel_starts.data(), memory.tile_count, out, canvases()[c].size});
  }

  int cells(size_t c) { return canvas_memory(c).cells; }

  // Adds the cells of canvas c whose score is at least `threshold` to the boxes.
  void propose(size_t c, const GridOutputs& grid, float threshold, const DeviceBoxes& boxes) {
    const CanvasMemory& memory = canvas_memory(c);
    runtime_.for_each(memory.cells, Propose{levels_.data(), memory.tiles.data(), memory.cell_starts.data(),
                                            memory.tile_count, grid, threshold, boxes});
  }

 private:
  struct CanvasMemory {
    explicit CanvasMemory(Runtime& r) : tiles(r), pixel_starts(r), cell_starts(r) {}
    Buffer<Runtime, Tile> tiles;
    Buffer<Runtime, int> pixel_starts, cell_starts;
    int tile_count = 0, pixels = 0, cells = 0;
  };

  void make_taps(std::span<const Level> levels, const FrameStore<Runtime>& frames) {
    std::vector<int> starts;
    int taps = 0;
    for (const Level& level : levels) {
      starts.push_back(taps);
      const int sides = level.size.height + level.size.width;
      if (sides > std::numeric_limits<int>::max() - taps) throw std::bad_alloc();  // they are tens of GiB
      taps += sides;
    }
    upload(runtime_, tap_starts_, starts);
    taps_.reserve(taps);
    runtime_.for_each(taps, LevelTaps{frames.frames(), levels_.data(), tap_starts_.data(),
                                      static_cast<int>(levels.size()), frames.area(), taps_.data()});
  }

  // Made when a canvas is first drawn, in their order.
  const CanvasMemory& canvas_memory(size_t c) {
    if (c < canvas_memory_.size()) return canvas_memory_[c];
    const std::vector<Tile>& tiles = canvases()[c].tiles;
    CanvasMemory memory(runtime_);
    std::vector<int> pixel_starts, cell_starts;
    for (const Tile& tile : tiles) {
      pixel_starts.push_back(memory.pixels);
      cell_starts.push_back(memory.cells);
      memory.pixels += tile.width() * tile.height();
      memory.cells += tile.cells_x * tile.cells_y;
    }
    memory.tile_count = static_cast<int>(tiles.size());
    upload(runtime_, memory.tiles, tiles);
    upload(runtime_, memory.pixel_starts, pixel_starts);
    upload(runtime_, memory.cell_starts, cell_starts);
    return canvas_memory_.emplace_back(std::move(memory));
  }

  Runtime& runtime_;
  CanvasPlan plan_;
  const std::vector<Canvas>* canvases_ = nullptr;  // plan_'s
  Resize mode_ = Resize::kArea;
  std::vector<Size> frame_sizes_;
  std::vector<Level> host_levels_;
  Buffer<Runtime, Level> levels_{runtime_};
  Buffer<Runtime, int> tap_starts_{runtime_};
  Buffer<Runtime, Taps> taps_{runtime_};
  std::vector<CanvasMemory> canvas_memory_;
};

}  // namespace trtmtcnn::cuda
