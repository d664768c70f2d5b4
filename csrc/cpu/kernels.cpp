#include "cpu/kernels.h"

#include <cstdlib>
#include <string_view>

namespace trtmtcnn::cpu {

extern const Kernels kernels_baseline;
#ifdef TRTMTCNN_X86
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

namespace {

const Kernels& choose() {
  const char* forced = std::getenv("TRT_MTCNN_ISA");
  const std::string_view most = forced ? forced : "avx512";
  if (most == "baseline") return kernels_baseline;
#ifdef TRTMTCNN_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (avx512 && most != "avx2") return kernels_avx512;
  if (avx2) return kernels_avx2;
#endif
  return kernels_baseline;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace trtmtcnn::cpu
