#include "cpu/nets/bfloat16.h"

#include <string_view>

#include "cpu/amx.h"
#include "cpu/kernels.h"
#include "error.h"
#include "runtime/environment.h"

#if defined(TRTMTCNN_AARCH64) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace trtmtcnn::cpu {

extern const NetKernels net_kernels_emulated_amx;
#ifdef TRTMTCNN_EMULATED_FLOAT16
extern const NetKernels net_kernels_emulated_fp16;
#endif
#ifdef TRTMTCNN_AARCH64
extern const NetKernels net_kernels_neon_fp16;

namespace {

// FEAT_FP16: arithmetic in vectors of float16.
bool has_float16() {
#if defined(__linux__)
  constexpr unsigned long kHalfVectors = 1ul << 10;  // HWCAP_ASIMDHP of <asm/hwcap.h>
  return (getauxval(AT_HWCAP) & kHalfVectors) != 0;
#elif defined(__APPLE__)
  return true;  // from the first M1 on
#else
  return false;
#endif
}

}  // namespace
#endif
#ifdef TRTMTCNN_X86
extern const NetKernels net_kernels_amx;
#endif

// AVX512-BF16 alone is no reason for kernels of its own: VDPBF16PS multiplies at most twice as fast as FMA, and the
// float32 kernels save more than that by Winograd's transforms, for which bfloat16 is too coarse.
Bfloat16Kernels bfloat16_kernels() {
  const std::string amx = environment::amx();
#ifdef TRTMTCNN_EMULATED_FLOAT16
  return {&net_kernels_emulated_fp16, {}};
#endif
  if (amx == "emulated") return {&net_kernels_emulated_amx, {}};
  if (!amx.empty() && amx != "off") throw DeviceError("TRT_MTCNN_AMX is \"" + amx + "\"; it can be off or emulated");
  const NetKernels& others = net_kernels();
  if (!amx.empty()) return {&others, "TRT_MTCNN_AMX is off"};
#ifdef TRTMTCNN_X86
  if (!amx_problem().empty()) return {&others, amx_problem()};
  if (const std::string isa = kernels().isa; isa != "avx512")
    return {&others, "AMX's kernels need AVX-512, not " + isa};
  return {&net_kernels_amx, {}};
#elif defined(TRTMTCNN_AARCH64)
  if (!has_float16()) return {&others, "the processor has no arithmetic in float16 (FEAT_FP16)"};
  return {&net_kernels_neon_fp16, {}};
#else
  return {&others, amx_problem()};
#endif
}

}  // namespace trtmtcnn::cpu
