// Plain data shared by every part of the core.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trtmtcnn {

// A BGR uint8 picture in the caller's memory; pixels of a row are contiguous.
struct Image {
  const uint8_t* data = nullptr;
  int height = 0;
  int width = 0;
  ptrdiff_t row_stride = 0;  // bytes
  bool on_device = false;    // in the GPU's memory
  bool must_wait = false;    // until what ready_stream, a CUDA stream, holds now is done
  void* ready_stream = nullptr;
};

struct Size {
  int height = 0;
  int width = 0;
  bool operator==(const Size&) const = default;
};

// One scale of one frame's image pyramid.
struct Level {
  int frame = 0;
  Size size;
  double scale_y = 1;  // level pixels per frame pixel, by which cells are mapped back
  double scale_x = 1;
};

// Pixels x1..x2, y1..y2 inclusive, in whole pixels of the frame.
struct CropWindow {
  int x1, y1, x2, y2;
  int width() const { return x2 - x1 + 1; }
  int height() const { return y2 - y1 + 1; }
};

enum class Resize { kBilinear, kArea };
enum class Overlap { kUnion, kMin };
enum class Scope { kLevel, kFrame };  // within what boxes suppress each other

inline constexpr int kCell = 12;                // P-Net's receptive field
inline constexpr int kStride = 2;               // P-Net's stride
inline constexpr int kPoints = 5;               // facial landmarks
inline constexpr int kLandmarks = 2 * kPoints;  // x1..x5, y1..y5
inline constexpr float kPixelMean = 127.5f;
inline constexpr float kPixelScale = 0.0078125f;

// Cells of a P-Net grid along an axis of n pixels.
constexpr int grid_cells(int n) { return n < kCell ? 0 : (n - kCell) / kStride + 1; }
// Pixels that n cells read.
constexpr int grid_pixels(int cells) { return (cells - 1) * kStride + kCell; }

}  // namespace trtmtcnn
