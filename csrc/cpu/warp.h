// Affine warp of a picture, bilinear, with zeros outside it.
#pragma once

#include "types.h"

namespace trtmtcnn::cpu {

// `matrix` (2 x 3, row-major) takes pixel centres of the source to those of the output; out is
// height x width x 3. Throws std::invalid_argument where the matrix has no inverse.
void warp_affine(const Image& source, const double matrix[6], int height, int width, uint8_t* out);

}  // namespace trtmtcnn::cpu
