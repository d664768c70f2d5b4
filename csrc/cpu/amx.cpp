#include "cpu/amx.h"

#include "cpu/x86.h"

#if defined(TRTMTCNN_X86) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#endif

namespace trtmtcnn::cpu {
namespace {

#if defined(TRTMTCNN_X86) && defined(__linux__)
using x86::bit;
using x86::Registers;

bool processor_has_it() {
  const Registers features(7, 0), more(7, 1);
  if (!bit(features.edx, 24) || !bit(features.edx, 22) || !bit(more.eax, 5)) return false;  // tiles, bf16, AVX512-BF16
  const Registers palette(0x1d, 1);
  return palette.eax >> 16 == 1024 && (palette.ebx & 0xffff) == 64 && palette.ebx >> 16 >= 8 &&
         (palette.ecx & 0xffff) >= 16;
}

std::string find_problem() {
  if (!processor_has_it()) return "the processor has no AMX";
  constexpr uint64_t kConfiguration = 1 << 17, kData = 1 << 18;
  if (!x86::enables(kConfiguration | kData)) return "the system has not turned AMX on: Linux 5.16 or later does";
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, of <asm/prctl.h>
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) {
    if (errno == ENOSPC)
      return "the system refuses AMX's tiles: a thread's signal stack, set by sigaltstack(), is too small for them";
    return std::string("the system refuses AMX's tiles (arch_prctl: ") + std::strerror(errno) +
           "): Linux 5.16 or later grants them, in a container where its seccomp profile allows the call";
  }
  return {};
}
#elif defined(TRTMTCNN_X86)
std::string find_problem() { return "AMX is used on Linux alone"; }
#else
std::string find_problem() { return "the processor has no AMX"; }
#endif

}  // namespace

const std::string& amx_problem() {
  static const std::string problem = find_problem();
  return problem;
}

}  // namespace trtmtcnn::cpu
