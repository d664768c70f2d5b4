#include "cpu/resample.h"

#include <algorithm>
#include <cmath>

#include "cpu/kernels.h"

namespace trtmtcnn::cpu {

void Axis::set(const ResizedAxis& axis, int n, double gain) {
  taps = std::min(axis.area ? static_cast<int>(std::ceil(axis.ratio)) + 1 : 2, axis.pixels);
  first.resize(n);
  shares_.resize(static_cast<size_t>(n) * taps);
  for (int i = 0; i < n; ++i) {
    const TapSpan span = axis.span(i);
    // Taps move inward at the picture's edges, so that all of them can be read.
    first[i] = std::clamp(span.begin, 0, axis.pixels - taps);
    double* const row = &shares_[static_cast<size_t>(i) * taps];
    for (int t = 0; t < taps; ++t) row[t] = axis.area ? span.covered(first[i] + t) : span.weight<double>(first[i] + t);
  }
  if (axis.area)  // as TapSpan::weight() does, several at a time
    for (double& share : shares_) share /= axis.ratio;
  weights.resize(shares_.size() + kOverread);
  for (size_t i = 0; i < shares_.size(); ++i) weights[i] = static_cast<float>(shares_[i] * gain);
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
