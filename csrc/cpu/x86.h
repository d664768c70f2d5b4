// What an x86 processor has and the system lets programs use: asked of CPUID, for not every compiler's library that
// __builtin_cpu_supports() calls answers on Windows.
#pragma once

#ifdef TRTMTCNN_X86
#include <cpuid.h>

#include <cstdint>

namespace trtmtcnn::cpu::x86 {

inline bool bit(unsigned word, int i) { return word >> i & 1; }

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  explicit Registers(unsigned leaf, unsigned subleaf = 0) { __get_cpuid_count(leaf, subleaf, &eax, &ebx, &ecx, &edx); }
};

// The registers that the system saves when it switches threads (XCR0).
inline uint64_t enabled_states() {
  if (!bit(Registers(1).ecx, 27)) return 0;  // OSXSAVE
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

inline bool enables(uint64_t states) { return (enabled_states() & states) == states; }

inline bool has_avx2() {
  const unsigned first = Registers(1).ecx;
  return bit(first, 12) && bit(first, 28) && bit(first, 29) && bit(Registers(7).ebx, 5) && enables(0x6);  // FMA, F16C
}

inline bool has_avx512() {
  const unsigned seventh = Registers(7).ebx;
  return has_avx2() && bit(seventh, 16) && bit(seventh, 17) && bit(seventh, 30) && bit(seventh, 31) &&
         enables(0xe6);  // F, DQ, BW, VL
}

}  // namespace trtmtcnn::cpu::x86
#endif
