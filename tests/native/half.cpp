// float16 as the GPU's kernels have it on a CPU: all of its values, in their order, as floats; then floats from the
// input as float16.
#include "cuda/kernels/half.h"

#include <cstdio>

using namespace trtmtcnn::cuda;

int main() {
  for (uint32_t bits = 0; bits < 1u << 16; ++bits) {
    const float value = to_float({static_cast<uint16_t>(bits)});
    std::fwrite(&value, sizeof(value), 1, stdout);
  }
  for (float value; std::fread(&value, sizeof(value), 1, stdin) == 1;) {
    const uint16_t bits = to_half(value).bits;
    std::fwrite(&bits, sizeof(bits), 1, stdout);
  }
}
