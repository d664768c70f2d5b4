#include "cpu/nets/net_kernels.h"

#include <string_view>

#include "cpu/kernels.h"

namespace trtmtcnn::cpu {

extern const NetKernels net_kernels_baseline;
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
  return net_kernels_baseline;
}

}  // namespace trtmtcnn::cpu
