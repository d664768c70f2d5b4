#include "cpu/frame.h"

#include <algorithm>
#include <cmath>

namespace trtmtcnn::cpu {
void Frame::load(const Image& image, Size size, Resize mode, ThreadPool& pool, Scratch& scratch, Arena& arena) {
  mips_.clear();
  image_ = image;
  if (mode == Resize::kArea) build_mips(pool, arena);
  if (size == Size{image.height, image.width}) return;

  uint8_t* const resized = arena.take(static_cast<size_t>(size.height) * size.width * 3);
  const Source source = Source::choose(*this, mode, image.height, image.width, size);
  scratch.vertical.set(mode, 0, source.extent(image.height), size.height, source.extent(image.height),
                       source.image.height);
  scratch.horizontal.set(mode, 0, source.extent(image.width), size.width, source.extent(image.width),
                         source.image.width);
  const size_t width = static_cast<size_t>(size.width);
  scratch.planes.resize(std::max(scratch.planes.size(), 3 * width));
  float* const rgb[3] = {scratch.planes.data(), scratch.planes.data() + width, scratch.planes.data() + 2 * width};
  const Columns columns{&scratch.horizontal, 0, size.width};
  for (int y = 0; y < size.height; ++y) {
    resample_row(source.image, scratch.vertical, y, columns, 0.5f, scratch, rgb[0], rgb[1], rgb[2]);
    uint8_t* out = resized + static_cast<size_t>(y) * size.width * 3;
    for (int x = 0; x < size.width; ++x)
      for (int c = 0; c < 3; ++c) out[3 * x + c] = static_cast<uint8_t>(std::clamp(rgb[2 - c][x], 0.0f, 255.0f));
  }
  image_ = {resized, size.height, size.width, static_cast<ptrdiff_t>(size.width) * 3};
  mips_.clear();
  if (mode == Resize::kArea) build_mips(pool, arena);
}

void Frame::build_mips(ThreadPool& pool, Arena& arena) {
  Image above = image_;
  while (above.height > 1 || above.width > 1) {
    const int height = (above.height + 1) / 2, width = (above.width + 1) / 2;
    uint8_t* const pixels = arena.take(static_cast<size_t>(height) * width * 3);
    const int grain = std::max(1, 65536 / width);
    pool.parallel_for(height, grain, [&](int begin, int end, int) {
      for (int y = begin; y < end; ++y) {
        const uint8_t* top = above.data + ptrdiff_t{2} * y * above.row_stride;
        const uint8_t* bottom = 2 * y + 1 < above.height ? top + above.row_stride : top;
        kernels().halve_row(top, bottom, above.width, pixels + static_cast<size_t>(y) * width * 3);
      }
    });
    above = {pixels, height, width, static_cast<ptrdiff_t>(width) * 3};
    mips_.push_back(above);
  }
}

Source Source::choose(const Frame& frame, Resize mode, double window_height, double window_width, Size out) {
  Source source;
  if (mode == Resize::kArea)
    source.level = std::min(mip_level(window_height, window_width, out.height, out.width), frame.mips() - 1);
  source.scale = std::ldexp(1.0, -source.level);
  source.image = frame.mip(source.level);
  return source;
}

namespace {

// The source rows that an output row blends, blended.
const float* blend_rows(const Image& source, const Axis& vertical, int row, const Columns& columns, Scratch& scratch) {
  const int low = columns.low();
  const int n = 3 * (columns.high() - low);
  scratch.rows.resize(vertical.taps);
  scratch.row.resize(std::max(scratch.row.size(), static_cast<size_t>(n) + 1));  // one float more is read
  for (int t = 0; t < vertical.taps; ++t)
    scratch.rows[t] = source.data + (static_cast<ptrdiff_t>(vertical.first[row]) + t) * source.row_stride + 3 * low;
  kernels().blend_rows(scratch.rows.data(), &vertical.weights[static_cast<size_t>(row) * vertical.taps], vertical.taps,
                       n, scratch.row.data());
  return scratch.row.data();
}

}  // namespace

void resample_row(const Image& source, const Axis& vertical, int row, const Columns& columns, float offset,
                  Scratch& scratch, float* red, float* green, float* blue) {
  const float* blended = blend_rows(source, vertical, row, columns, scratch);
  const Axis& axis = *columns.axis;
  kernels().blend_columns(blended, columns.low(), &axis.first[columns.begin],
                          &axis.weights[static_cast<size_t>(columns.begin) * axis.taps], axis.taps, columns.n, offset,
                          red, green, blue);
}

void resample_pixels(const Image& source, const Axis& vertical, int row, const Columns& columns, float offset,
                     Scratch& scratch, float* out) {
  const float* blended = blend_rows(source, vertical, row, columns, scratch);
  const Axis& axis = *columns.axis;
  kernels().blend_pixels(blended, columns.low(), &axis.first[columns.begin],
                         &axis.weights[static_cast<size_t>(columns.begin) * axis.taps], axis.taps, columns.n, offset,
                         out);
}

}  // namespace trtmtcnn::cpu
