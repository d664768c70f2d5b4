#include "cpu/warp.h"

#include <cmath>
#include <stdexcept>

namespace trtmtcnn::cpu {

void warp_affine(const Image& source, const double matrix[6], int height, int width, uint8_t* out) {
  const double determinant = matrix[0] * matrix[4] - matrix[1] * matrix[3];
  if (!std::isfinite(determinant) || determinant == 0)
    throw std::invalid_argument("matrix has no inverse: it maps the picture to a line or a point");
  const double a = matrix[4] / determinant, b = -matrix[1] / determinant;
  const double d = -matrix[3] / determinant, e = matrix[0] / determinant;
  const double c = -(a * matrix[2] + b * matrix[5]), f = -(d * matrix[2] + e * matrix[5]);

  const auto pixel = [&](int y, int x) -> const uint8_t* {
    static constexpr uint8_t kOutside[3] = {0, 0, 0};
    if (x < 0 || y < 0 || x >= source.width || y >= source.height) return kOutside;
    return source.data + y * source.row_stride + ptrdiff_t{3} * x;
  };
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x, out += 3) {
      const double sx = a * x + b * y + c, sy = d * x + e * y + f;
      // Also refuses NaN and what an int cannot hold.
      if (!(sx > -1 && sy > -1 && sx < source.width && sy < source.height)) {
        out[0] = out[1] = out[2] = 0;
        continue;
      }
      const int x0 = static_cast<int>(std::floor(sx)), y0 = static_cast<int>(std::floor(sy));
      const float fx = static_cast<float>(sx - x0), fy = static_cast<float>(sy - y0);
      const uint8_t *p00 = pixel(y0, x0), *p01 = pixel(y0, x0 + 1), *p10 = pixel(y0 + 1, x0),
                    *p11 = pixel(y0 + 1, x0 + 1);
      for (int k = 0; k < 3; ++k) {
        const float top = p00[k] + fx * (p01[k] - p00[k]), bottom = p10[k] + fx * (p11[k] - p10[k]);
        out[k] = static_cast<uint8_t>(top + fy * (bottom - top) + 0.5f);
      }
    }
  }
}

}  // namespace trtmtcnn::cpu
