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

// The size of a picture's next mip.
constexpr Size half_of(Size s) { return {(s.height + 1) / 2, (s.width + 1) / 2}; }

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
  constexpr int width() const { return x2 - x1 + 1; }
  constexpr int height() const { return y2 - y1 + 1; }
};

// What is resized of a picture, in pixels from its corner. Open: pixels beyond its ends are blended in, too, where it
// is enlarged.
struct SourceWindow {
  double x, y, width, height;
  bool open = false;

  constexpr SourceWindow(double left, double top, double side)
      : x(left), y(top), width(side), height(side), open(true) {}
  constexpr SourceWindow(const CropWindow& w) : x(w.x1), y(w.y1), width(w.width()), height(w.height()) {}
};

enum class Resize { kBilinear, kArea };
enum class Overlap { kIoU, kIoMin };  // intersection over union, or over the smaller area
enum class Scope { kLevel, kFrame };  // boxes suppress only boxes of the same level, or of the same frame

}  // namespace trtmtcnn
