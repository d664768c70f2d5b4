#include "cpu/frame.h"

#include <algorithm>

#include "cpu/kernels.h"

namespace trtmtcnn::cpu {

void Frame::load(const Image& image, Size size, Resize mode, ThreadPool& pool, Scratch& scratch, Arena& arena) {
  mips_.clear();
  image_ = image;
  if (mode == Resize::kArea) build_mips(pool, arena);
  if (size == this->size()) return;

  uint8_t* const resized = arena.take(static_cast<size_t>(size.height) * size.width * 3);
  const Image& source = set_axes(*this, window(), size, mode, 1, scratch.axes);
  const size_t width = static_cast<size_t>(size.width);
  scratch.planes.resize(std::max(scratch.planes.size(), 3 * width));
  float* const rgb[3] = {scratch.planes.data(), scratch.planes.data() + width, scratch.planes.data() + 2 * width};
  const Columns columns{&scratch.axes.horizontal, 0, size.width};
  for (int y = 0; y < size.height; ++y) {
    resample_row(source, scratch.axes.vertical, y, columns, 0.5f, scratch, rgb[0], rgb[1], rgb[2]);
    uint8_t* out = resized + static_cast<size_t>(y) * size.width * 3;
    for (int x = 0; x < size.width; ++x)
      for (int c = 0; c < 3; ++c) out[3 * x + c] = to_byte(rgb[2 - c][x]);
  }
  image_ = {resized, size.height, size.width, static_cast<ptrdiff_t>(size.width) * 3};
  mips_.clear();
  if (mode == Resize::kArea) build_mips(pool, arena);
}

void Frame::build_mips(ThreadPool& pool, Arena& arena) {
  Image above = image_;
  while (above.height > 1 || above.width > 1) {
    const auto [height, width] = half_of({above.height, above.width});
    uint8_t* const pixels = arena.take(static_cast<size_t>(height) * width * 3);
    const ptrdiff_t row = ptrdiff_t{3} * width;
    const int grain = std::max(1, 65536 / width);
    pool.parallel_for(height, grain, [&](int begin, int end, int) {
      for (int y = begin; y < end; ++y) {
        const uint8_t* top = above.data + ptrdiff_t{2} * y * above.row_stride;
        const uint8_t* bottom = 2 * y + 1 < above.height ? top + above.row_stride : top;
        kernels().halve_row(top, bottom, above.width, pixels + y * row);
      }
    });
    above = {pixels, height, width, row};
    mips_.push_back(above);
  }
}

int mip_for(const Frame& frame, const SourceWindow& window, Size out, Resize mode) {
  return mode == Resize::kArea ? mip_level(window.height, window.width, out, frame.mips() - 1) : 0;
}

const Image& set_axes(const Frame& frame, const SourceWindow& window, Size out, Resize mode, double gain, Axes& axes) {
  const int level = mip_for(frame, window, out, mode);
  const double scale = mip_scale(level);
  const Image& source = frame.mip(level);
  const bool area = mode == Resize::kArea;
  axes.vertical.set({area, window.y * scale, window.height * scale, out.height, frame.size().height * scale,
                     source.height, window.open},
                    out.height, 1);
  axes.horizontal.set(
      {area, window.x * scale, window.width * scale, out.width, frame.size().width * scale, source.width, window.open},
      out.width, gain);
  return source;
}

}  // namespace trtmtcnn::cpu
