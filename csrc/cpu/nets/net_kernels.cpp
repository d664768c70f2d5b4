#include "cpu/nets/net_kernels.h"

#include <string_view>

#include "cpu/kernels.h"

namespace trtmtcnn::cpu {

#ifdef TRTMTCNN_AARCH64
extern const NetKernels net_kernels_neon;
#else
extern const NetKernels net_kernels_baseline;
#endif
#ifdef TRTMTCNN_X86
extern const NetKernels net_kernels_avx2;
extern const NetKernels net_kernels_avx512;
#endif

const NetKernels& net_kernels() {
#ifdef TRTMTCNN_X86
  const std::string_view isa = kernels().isa;
  if (isa == "avx512") return net_kernels_avx512;
  if (isa == "avx2") return net_kernels_avx2;
#endif
#ifdef TRTMTCNN_AARCH64
  return net_kernels_neon;
#else
  return net_kernels_baseline;
#endif
}

}  // namespace trtmtcnn::cpu
