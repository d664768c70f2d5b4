// Which kernels engines of precision bf16 run on.
#pragma once

#include <string>

#include "cpu/nets/net_kernels.h"

namespace trtmtcnn::cpu {

// The precision allows bfloat16 and does not demand it: the fastest kernels of at least its accuracy are taken.
struct Bfloat16Kernels {
  const NetKernels* kernels;
  std::string reason;  // why they are those of float32; empty: they are not
};

Bfloat16Kernels bfloat16_kernels();

}  // namespace trtmtcnn::cpu
