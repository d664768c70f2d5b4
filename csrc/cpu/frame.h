// One frame of a call and its successive halvings (mipmaps).
#pragma once

#include <vector>

#include "cpu/kernels.h"
#include "cpu/resample.h"
#include "runtime/arena.h"
#include "runtime/thread_pool.h"
#include "types.h"

namespace trtmtcnn::cpu {

// Memory that the resamplers reuse.
struct Scratch {
  Axis vertical, horizontal;
  std::vector<float> row, planes;
  std::vector<const uint8_t*> rows;
};

class Frame {
 public:
  // Views `image`, or holds a copy resized to `size` where that differs. Builds mips for kArea. What it holds is in
  // the arena.
  void load(const Image& image, Size size, Resize mode, ThreadPool& pool, Scratch& scratch, Arena& arena);
  void unload() { image_ = {}; }

  Size size() const { return {image_.height, image_.width}; }
  const Image& mip(int level) const { return level == 0 ? image_ : mips_[level - 1]; }
  int mips() const { return static_cast<int>(mips_.size()) + 1; }

 private:
  void build_mips(ThreadPool& pool, Arena& arena);

  Image image_;
  std::vector<Image> mips_;
};

// Where a resampled window comes from: a mip of the frame and the weights along both axes.
struct Source {
  Image image;
  int level = 0;
  double scale = 1;  // 1 / 2^level
  static Source choose(const Frame& frame, Resize mode, double window_height, double window_width, Size out);
  double extent(int pixels) const { return pixels * scale; }
};

// Columns [begin, begin + n) of a horizontal axis.
struct Columns {
  const Axis* axis;
  int begin, n;
  int low() const { return axis->first[begin]; }
  int high() const { return axis->first[begin + n - 1] + axis->taps; }
};

// Resamples one output row into three float planes (R, G, B) of `columns.n` values; `offset` is added.
void resample_row(const Image& source, const Axis& vertical, int row, const Columns& columns, float offset,
                  Scratch& scratch, float* red, float* green, float* blue);

// The same to RGB pixels: 3 * columns.n values; writes one float past the last.
void resample_pixels(const Image& source, const Axis& vertical, int row, const Columns& columns, float offset,
                     Scratch& scratch, float* out);

}  // namespace trtmtcnn::cpu
