#include "cpu/crop_resize.h"

namespace trtmtcnn::cpu {

namespace {

Source set_axes(const Frame& frame, const CropWindow& window, int side, Resize mode, Scratch& scratch) {
  const Source source = Source::choose(frame, mode, window.height(), window.width(), {side, side});
  scratch.vertical.set(mode, source.extent(window.y1), source.extent(window.height()), side,
                       source.extent(frame.size().height), source.image.height);
  scratch.horizontal.set(mode, source.extent(window.x1), source.extent(window.width()), side,
                         source.extent(frame.size().width), source.image.width, kPixelScale);
  return source;
}

}  // namespace

void crop_resize(const Frame& frame, const CropWindow& window, int side, Resize mode, Scratch& scratch, float* out) {
  const Source source = set_axes(frame, window, side, mode, scratch);
  const Columns columns{&scratch.horizontal, 0, side};
  const ptrdiff_t plane = static_cast<ptrdiff_t>(side) * side;
  for (int y = 0; y < side; ++y, out += side)
    resample_row(source.image, scratch.vertical, y, columns, -kPixelMean * kPixelScale, scratch, out, out + plane,
                 out + 2 * plane);
}

void crop_resize_pixels(const Frame& frame, const CropWindow& window, int side, Resize mode, Scratch& scratch,
                        float* out) {
  const Source source = set_axes(frame, window, side, mode, scratch);
  const Columns columns{&scratch.horizontal, 0, side};
  for (int y = 0; y < side; ++y, out += 3 * side)
    resample_pixels(source.image, scratch.vertical, y, columns, -kPixelMean * kPixelScale, scratch, out);
}

}  // namespace trtmtcnn::cpu
