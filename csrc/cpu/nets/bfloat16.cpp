#include "cpu/nets/bfloat16.h"

namespace trtmtcnn::cpu {

// AVX512-BF16 alone is no reason for kernels of its own: VDPBF16PS multiplies at most twice as fast as FMA, and the
// float32 kernels save more than that by Winograd's transforms, for which bfloat16 is too coarse.
Bfloat16Kernels bfloat16_kernels() { return {&net_kernels(), "the processor has no AMX"}; }

}  // namespace trtmtcnn::cpu
