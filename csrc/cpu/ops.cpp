#include "cpu/ops.h"

#include "cpu/crop_resize.h"
#include "cpu/frame.h"
#include "cpu/kernels.h"
#include "cpu/nms.h"
#include "cpu/propose.h"

namespace trtmtcnn::cpu {

void resize(const Image& image, Size size, Resize mode, float* out) {
  ThreadPool pool(1);
  Scratch scratch;
  Frame frame;
  Arena arena;
  frame.load(image, {image.height, image.width}, mode, pool, scratch, arena);
  const Image& source = set_axes(frame, frame.window(), size, mode, kPixelScale, scratch.axes);
  const Columns columns{&scratch.axes.horizontal, 0, size.width};
  const ptrdiff_t plane = static_cast<ptrdiff_t>(size.height) * size.width;
  for (int y = 0; y < size.height; ++y, out += size.width)
    resample_row(source, scratch.axes.vertical, y, columns, -kPixelMean * kPixelScale, scratch, out, out + plane,
                 out + 2 * plane);
}

void halve(const Image& image, uint8_t* out) {
  const auto [height, width] = half_of({image.height, image.width});
  for (int y = 0; y < height; ++y, out += ptrdiff_t{3} * width) {
    const uint8_t* top = image.data + ptrdiff_t{2} * y * image.row_stride;
    kernels().halve_row(top, 2 * y + 1 < image.height ? top + image.row_stride : top, image.width, out);
  }
}

void crop_resize(const Image& image, std::span<const int> windows, int side, Resize mode, float* out) {
  ThreadPool pool(1);
  Scratch scratch;
  Frame frame;
  Arena arena;
  frame.load(image, {image.height, image.width}, mode, pool, scratch, arena);
  for (size_t i = 0; i + 3 < windows.size(); i += 4, out += ptrdiff_t{3} * side * side)
    crop_resize(frame, CropWindow{windows[i], windows[i + 1], windows[i + 2], windows[i + 3]}, side, mode, scratch,
                out);
}

std::vector<int> nms(std::span<const float> boxes, std::span<const float> scores, std::span<const int> groups,
                     float threshold, Overlap overlap, int keep) {
  std::vector<Box> set(scores.size());
  for (size_t i = 0; i < set.size(); ++i) {
    const float* b = &boxes[4 * i];
    set[i].x1 = b[0], set[i].y1 = b[1], set[i].x2 = b[2], set[i].y2 = b[3];
    set[i].score = scores[i];
    set[i].level = groups.empty() ? 0 : groups[i];
    set[i].order = static_cast<int>(i);
  }
  return Nms().run(set, {threshold, overlap, groups.empty() ? Scope::kFrame : Scope::kLevel}, keep);
}

std::vector<float> propose(const float* prob, const float* regression, int height, int width, double scale_y,
                           double scale_x, float threshold) {
  const Level level{0, {grid_pixels(height), grid_pixels(width)}, scale_y, scale_x};
  const Tile tile{0, 0, 0, width, height, 0, 0};
  std::vector<int32_t> positions;
  std::vector<Box> boxes;
  propose(GridOutputs{prob, regression, height, width}, tile, level, threshold, positions, boxes);
  std::vector<float> rows;
  for (const Box& b : boxes)
    rows.insert(rows.end(),
                {b.x1, b.y1, b.x2, b.y2, b.score, b.regression[0], b.regression[1], b.regression[2], b.regression[3]});
  return rows;
}

}  // namespace trtmtcnn::cpu
