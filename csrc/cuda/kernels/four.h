// Four values that a thread loads or stores at once.
#pragma once

#include "host_device.h"

namespace trtmtcnn::cuda {

struct Four {
  float at[4];
};

// What no thread of the same kernel writes, at a multiple of 16 bytes.
TRTMTCNN_HD Four load_four(const float* from) {
#ifdef __CUDA_ARCH__
  const float4 four = __ldg(reinterpret_cast<const float4*>(from));
  return {{four.x, four.y, four.z, four.w}};
#else
  return {{from[0], from[1], from[2], from[3]}};
#endif
}

TRTMTCNN_HD void store_four(float* to, const Four& four) {
#ifdef __CUDA_ARCH__
  *reinterpret_cast<float4*>(to) = make_float4(four.at[0], four.at[1], four.at[2], four.at[3]);
#else
  for (int i = 0; i < 4; ++i) to[i] = four.at[i];
#endif
}

}  // namespace trtmtcnn::cuda
