// A cancelled build is no error to Cython's handler: it comes back as a flag.
#pragma once

#include "tensorrt/tensorrt.h"

namespace trtmtcnn::tensorrt {

inline BuildResult build_or_cancel(TensorRt& library, std::span<const char> onnx, const BuildOptions& options,
                                   Progress& progress, bool& cancelled) {
  try {
    return library.build(onnx, options, progress);
  } catch (const Cancelled&) {
    cancelled = true;
    return {};
  }
}

}  // namespace trtmtcnn::tensorrt
