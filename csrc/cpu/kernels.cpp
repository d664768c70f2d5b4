#include "cpu/kernels.h"

#include <string>
#include <string_view>
#include <vector>

#include "cpu/x86.h"
#include "error.h"
#include "runtime/environment.h"

namespace trtmtcnn::cpu {

#ifdef TRTMTCNN_AARCH64
extern const Kernels kernels_neon;
#else
extern const Kernels kernels_baseline;
#endif
#ifdef TRTMTCNN_X86
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

namespace {

// The best first.
std::vector<const Kernels*> usable() {
  std::vector<const Kernels*> all;
#ifdef TRTMTCNN_X86
  if (x86::has_avx512()) all.push_back(&kernels_avx512);
  if (x86::has_avx2()) all.push_back(&kernels_avx2);
#endif
#ifdef TRTMTCNN_AARCH64
  all.push_back(&kernels_neon);
#else
  all.push_back(&kernels_baseline);
#endif
  return all;
}

const Kernels& choose() {
  const std::vector<const Kernels*> all = usable();
  const std::string wanted = environment::isa();
  if (wanted.empty()) return *all.front();
  std::string names;
  for (const Kernels* k : all) {
    if (std::string_view(k->isa) == wanted) return *k;
    names += (names.empty() ? "" : ", ") + std::string(k->isa);
  }
  throw DeviceError("TRT_MTCNN_ISA is \"" + wanted + "\"; on this machine it can be one of: " + names);
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace trtmtcnn::cpu
