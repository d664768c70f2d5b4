#include "cpu/crop_resize.h"

#include "networks.h"

namespace trtmtcnn::cpu {

void crop_resize(const Frame& frame, const SourceWindow& window, int side, Resize mode, Scratch& scratch, float* out) {
  const Image& source = set_axes(frame, window, {side, side}, mode, kPixelScale, scratch.axes);
  const Columns columns{&scratch.axes.horizontal, 0, side};
  const ptrdiff_t plane = static_cast<ptrdiff_t>(side) * side;
  for (int y = 0; y < side; ++y, out += side)
    resample_row(source, scratch.axes.vertical, y, columns, -kPixelMean * kPixelScale, scratch, out, out + plane,
                 out + 2 * plane);
}

void crop_resize_pixels(const Frame& frame, const SourceWindow& window, int side, Resize mode, Scratch& scratch,
                        float* out) {
  const Image& source = set_axes(frame, window, {side, side}, mode, kPixelScale, scratch.axes);
  const Columns columns{&scratch.axes.horizontal, 0, side};
  for (int y = 0; y < side; ++y, out += 3 * side)
    resample_pixels(source, scratch.axes.vertical, y, columns, -kPixelMean * kPixelScale, scratch, out);
}

}  // namespace trtmtcnn::cpu
