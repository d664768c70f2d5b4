#include "cpu/engine_stages.h"

#include <algorithm>

#include "cpu/crop_resize.h"
#include "cpu/propose.h"
#include "outputs.h"
#include "runtime/grow.h"

namespace trtmtcnn::cpu {
namespace {

// Writes the mirror image of (3, side, side).
void flip_planes(const float* planes, int side, float* out) {
  for (int row = 0; row < 3 * side; ++row)
    std::reverse_copy(planes + row * side, planes + (row + 1) * side, out + row * side);
}

void reverse_rows(float* planes, int side) {
  for (int row = 0; row < 3 * side; ++row) std::reverse(planes + row * side, planes + (row + 1) * side);
}

}  // namespace

float* EngineRunner::input(const Shape& shape) {
  grow(input_, static_cast<size_t>(volume(shape)));
  return input_.data();
}

void EngineRunner::run(const Shape& shape) {
  shapes_ = &context_->output_shapes(shape);
  if (outputs_.size() < shapes_->size()) outputs_.resize(shapes_->size());
  pointers_.clear();
  for (size_t i = 0; i < shapes_->size(); ++i) {
    grow(outputs_[i], static_cast<size_t>(volume((*shapes_)[i])));
    pointers_.push_back(outputs_[i].data());
  }
  context_->infer(shape, input_.data(), pointers_);
}

CanvasPnet::CanvasPnet(std::shared_ptr<Engine> engine)
    : runner_(std::move(engine)), plan_(kCpuCanvasWidths, kCpuCanvasHeight, runner_.engine()) {}

void CanvasPnet::propose(FrameStore& frames, const Pyramid& pyramid, float threshold, int64_t most,
                         std::vector<Box>& boxes) {
  for (const Canvas& canvas : plan_.canvases(pyramid.levels())) {
    if (static_cast<int64_t>(boxes.size()) > most) return;
    draw(frames, pyramid, canvas);
    runner_.run({1, 3, canvas.size.height, canvas.size.width});
    const GridOutputs grid = grid_outputs(runner_.engine(), runner_.shapes(), runner_.outputs(), 1, canvas.size);
    for (const Tile& tile : canvas.tiles)
      cpu::propose(grid, tile, pyramid.levels()[tile.level], threshold, positions_, boxes);
  }
}

void CanvasPnet::draw(FrameStore& frames, const Pyramid& pyramid, const Canvas& canvas) {
  const int64_t plane = int64_t{canvas.size.height} * canvas.size.width;
  float* const input = runner_.input({1, 3, canvas.size.height, canvas.size.width});
  int rows = 0;
  for (const Tile& tile : canvas.tiles) rows += tile.height();

  frames.pool().parallel_for(rows, 16, [&](int begin, int end, int worker) {
    int first_row = 0;  // of the tile, counting the rows of all tiles
    for (const Tile& tile : canvas.tiles) {
      const int last_row = first_row + tile.height();
      const int from = std::max(begin, first_row), to = std::min(end, last_row);
      if (from < to) {
        const Image& source = pyramid.source(tile.level, frames);
        const Axes& axes = pyramid.axes(tile.level);
        const Columns columns{&axes.horizontal, kStride * tile.cell_x, tile.width()};
        for (int r = from; r < to; ++r) {
          const int y = r - first_row;
          float* red = input + int64_t{tile.canvas_y + y} * canvas.size.width + tile.canvas_x;
          resample_row(source, axes.vertical, kStride * tile.cell_y + y, columns, -kPixelMean * kPixelScale,
                       frames.scratch(worker), red, red + plane, red + 2 * plane);
        }
      }
      first_row = last_row;
    }
  });
}

void BatchedCrops::refine(FrameStore& frames, const Refinement& refinement, BoxSet& boxes) {
  const int side = facts(net_).side, most = facts(net_).cpu_batch;
  float* const input = runner_.input({most, 3, side, side});
  boxes.begin_accepting();
  for_each_crop_batch(boxes.count(), refinement.flip(), most, batch_bucket, [&](int begin, int n, int batch) {
    crop(frames, boxes.boxes().data() + begin, n, refinement, input);
    runner_.run({batch, 3, side, side});  // images beyond the last crop are leftovers of an earlier batch
    HeadOutputs outputs =
        head_outputs(runner_.engine(), runner_.shapes(), runner_.outputs(), batch, refinement.flip() ? n : 0);
    outputs.mirrored = refinement.mirrored();
    boxes.accept(outputs, begin, n, refinement.threshold, refinement.inclusive_landmarks);
  });
  boxes.end_accepting();
}

// Writes the crops of n boxes, or their mirror images, or these after all of those.
void BatchedCrops::crop(FrameStore& frames, const Box* boxes, int n, const Refinement& refinement, float* out) {
  const int side = facts(net_).side;
  const int64_t plane = int64_t{side} * side;
  frames.pool().parallel_for(n, 4, [&](int first, int last, int worker) {
    for (int i = first; i < last; ++i) {
      float* crop = out + 3 * plane * i;
      crop_resize(frames[boxes[i].frame], crop_window(boxes[i]), side, frames.mode(), frames.scratch(worker), crop);
      if (refinement.flip()) flip_planes(crop, side, crop + 3 * plane * n);
      if (refinement.mirrored()) reverse_rows(crop, side);
    }
  });
}

void BatchedLandmarks::refine(FrameStore& frames, bool flip, BoxSet& boxes) {
  const int side = facts(Net::kLnet).side, channels = input_channels(Net::kLnet), most = facts(Net::kLnet).cpu_batch;
  float* const input = runner_.input({most, channels, side, side});
  for_each_crop_batch(boxes.count(), flip, most, batch_bucket, [&](int begin, int n, int batch) {
    crop(frames, boxes, begin, n, flip, input);
    runner_.run({batch, channels, side, side});
    boxes.move_landmarks(landmark_outputs(runner_.engine(), runner_.shapes(), runner_.outputs(), batch, flip ? n : 0),
                         begin, n);
  });
}

// Writes the patches of n faces and, where `flip` is set, their mirror images, in which left and right change places.
void BatchedLandmarks::crop(FrameStore& frames, const BoxSet& boxes, int begin, int n, bool flip, float* out) {
  const int side = facts(Net::kLnet).side;
  const int64_t patch = int64_t{3} * side * side;
  frames.pool().parallel_for(n, 1, [&](int first, int last, int worker) {
    for (int i = first; i < last; ++i) {
      const Box& box = boxes.boxes()[begin + i];
      for (int k = 0; k < kPoints; ++k) {
        float* crop = out + (int64_t{kPoints} * i + k) * patch;
        crop_resize(frames[box.frame], landmark_patch(box, boxes.landmarks(begin + i), k), side, frames.mode(),
                    frames.scratch(worker), crop);
        if (flip) flip_planes(crop, side, out + (int64_t{kPoints} * (n + i) + HeadOutputs::opposite(k)) * patch);
      }
    }
  });
}

}  // namespace trtmtcnn::cpu
