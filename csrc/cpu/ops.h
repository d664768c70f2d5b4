// Each operation of the CPU backend alone, as tests and tools call it.
#pragma once

#include <span>
#include <vector>

#include "pack.h"
#include "types.h"

namespace trtmtcnn::cpu {

// The whole picture resized; out is (3, height, width) RGB, normalised.
void resize(const Image& image, Size size, Resize mode, float* out);
// Half the picture's size, rounded up; out is BGR.
void halve(const Image& image, uint8_t* out);
// windows: n x (x1, y1, x2, y2); out is (n, 3, side, side) RGB, normalised.
void crop_resize(const Image& image, std::span<const int> windows, int side, Resize mode, float* out);
// boxes: n x (x1, y1, x2, y2). Indices kept, best first; boxes suppress only those of their group.
std::vector<int> nms(std::span<const float> boxes, std::span<const float> scores, std::span<const int> groups,
                     float threshold, Overlap overlap, int keep);
// prob: (2, h, w); regression: (4, h, w) of a single level. n x (x1, y1, x2, y2, score, dx1, dy1, dx2, dy2), in pixels.
std::vector<float> propose(const float* prob, const float* regression, int height, int width, double scale_y,
                           double scale_x, float threshold);

}  // namespace trtmtcnn::cpu
