#include "cpu/resample.h"

#include <algorithm>
#include <cmath>

namespace trtmtcnn::cpu {

void Axis::set(Resize mode, double start, double length, int n, double extent, int pixels, double gain) {
  const double ratio = length / n;
  const bool area = mode == Resize::kArea && ratio >= 1;
  taps = area ? static_cast<int>(std::ceil(ratio)) + 1 : 2;
  taps = std::min(taps, pixels);
  first.resize(n);
  weights.assign(static_cast<size_t>(n) * taps, 0.0f);

  // Taps move inward at the picture's edges, so that all of them can be read.
  const auto put = [&](int i, int pixel, double weight) {
    if (pixel < 0 || pixel >= pixels || weight <= 0) return;
    weights[static_cast<size_t>(i) * taps + (pixel - first[i])] += static_cast<float>(weight * gain);
  };

  for (int i = 0; i < n; ++i) {
    if (area) {
      const double from = start + i * ratio, to = from + ratio;
      // Clamped before the cast: a window may lie arbitrarily far outside.
      const int begin = static_cast<int>(std::clamp(std::floor(from), 0.0, static_cast<double>(pixels)));
      const int end = static_cast<int>(std::clamp(std::ceil(to), 0.0, static_cast<double>(pixels)));
      first[i] = std::clamp(begin, 0, pixels - taps);
      for (int j = begin; j < end; ++j) {
        const double overlap = std::min({to, j + 1.0, extent}) - std::max(from, static_cast<double>(j));
        if (j - first[i] < taps) put(i, j, overlap / ratio);
      }
    } else {
      const double centre = std::clamp(start + (i + 0.5) * ratio - 0.5, start, start + length - 1);
      const double below = std::floor(centre);
      const double fraction = centre - below;
      const int j = static_cast<int>(std::clamp(below, -2.0, pixels + 1.0));
      first[i] = std::clamp(j, 0, pixels - taps);
      put(i, j, 1 - fraction);
      put(i, j + 1, fraction);
    }
  }
}

int mip_level(double window_height, double window_width, int height, int width) {
  int level = 0;
  while (window_height >= 2.0 * height && window_width >= 2.0 * width) {
    window_height /= 2;
    window_width /= 2;
    ++level;
  }
  return level;
}

}  // namespace trtmtcnn::cpu
