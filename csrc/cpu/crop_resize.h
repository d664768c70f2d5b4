// A crop with zeros outside the frame, resized, as a network's input.
#pragma once

#include "cpu/frame.h"

namespace trtmtcnn::cpu {

// Writes (3, side, side) RGB, normalised.
void crop_resize(const Frame& frame, const SourceWindow& window, int side, Resize mode, Scratch& scratch, float* out);

// The same to (side, side, 3) pixels; writes up to four floats past the last.
void crop_resize_pixels(const Frame& frame, const SourceWindow& window, int side, Resize mode, Scratch& scratch,
                        float* out);

}  // namespace trtmtcnn::cpu
