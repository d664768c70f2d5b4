// Single operations of a device, which tests compare: pictures, P-Net's outputs and sets of boxes, all in the host's
// memory.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "boxes.h"
#include "head_outputs.h"
#include "types.h"

namespace trtmtcnn::testing {

// A set of boxes, and what fills it.
class FilledBoxes {
 public:
  virtual ~FilledBoxes() = default;
  virtual Boxes& boxes() = 0;
  virtual void assign(std::span<const Box> boxes, std::span<const Size> frames) = 0;
  // The network's outputs for `n` crops, the set's first boxes: those accepted become the set.
  virtual void accept(const HeadOutputs& outputs, int n, float threshold, bool inclusive_landmarks) = 0;
};

// See cpu/ops.h.
class Operations {
 public:
  virtual ~Operations() = default;
  virtual void resize(const Image& image, Size size, Resize mode, float* out) = 0;
  virtual void halve(const Image& image, uint8_t* out) = 0;
  virtual void crop_resize(const Image& image, std::span<const int> windows, int side, Resize mode, float* out) = 0;
  virtual std::vector<float> propose(const float* prob, const float* regression, int height, int width, double scale_y,
                                     double scale_x, float threshold) = 0;
  virtual std::unique_ptr<FilledBoxes> boxes() = 0;
};

std::unique_ptr<FilledBoxes> cpu_boxes();

}  // namespace trtmtcnn::testing
