// Compiled once for each instruction set with TRTMTCNN_ISA naming it. No inline function of another
// header may be used here: the linker could pick this copy of it for machines that lack the instructions.
#include "cpu/kernels.h"

#define TRTMTCNN_CONCAT_(a, b) a##b
#define TRTMTCNN_CONCAT(a, b) TRTMTCNN_CONCAT_(a, b)
#define TRTMTCNN_STRING_(a) #a
#define TRTMTCNN_STRING(a) TRTMTCNN_STRING_(a)

namespace trtmtcnn::cpu {
namespace {

typedef float Float4 __attribute__((vector_size(16)));

inline Float4 load4(const float* p) {
  Float4 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

void halve_row(const uint8_t* top, const uint8_t* bottom, int width, uint8_t* dst) {
  const int pairs = width / 2;
  for (int x = 0; x < pairs; ++x) {
    for (int c = 0; c < 3; ++c) {
      const int i = 6 * x + c;
      dst[3 * x + c] = static_cast<uint8_t>((top[i] + top[i + 3] + bottom[i] + bottom[i + 3] + 2) >> 2);
    }
  }
  if (width & 1) {
    const int i = 3 * (width - 1);
    for (int c = 0; c < 3; ++c)
      dst[3 * pairs + c] = static_cast<uint8_t>((2 * top[i + c] + 2 * bottom[i + c] + 2) >> 2);
  }
}

template <int taps>
void blend_rows_fixed(const uint8_t* const* rows, const float* weights, int n, float* __restrict dst) {
  const uint8_t* r[taps];
  float w[taps];
  for (int t = 0; t < taps; ++t) r[t] = rows[t], w[t] = weights[t];
  for (int i = 0; i < n; ++i) {
    float sum = 0;
    for (int t = 0; t < taps; ++t) sum += w[t] * static_cast<float>(r[t][i]);
    dst[i] = sum;
  }
}

void blend_rows(const uint8_t* const* rows, const float* weights, int taps, int n, float* __restrict dst) {
  switch (taps) {
    case 1: return blend_rows_fixed<1>(rows, weights, n, dst);
    case 2: return blend_rows_fixed<2>(rows, weights, n, dst);
    case 3: return blend_rows_fixed<3>(rows, weights, n, dst);
    default: break;
  }
  blend_rows_fixed<3>(rows, weights, n, dst);
  for (int t = 3; t < taps; ++t) {
    const uint8_t* row = rows[t];
    const float w = weights[t];
    for (int i = 0; i < n; ++i) dst[i] += w * static_cast<float>(row[i]);
  }
}

template <int fixed_taps>
void blend_columns_fixed(const float* row, int origin, const int32_t* first, const float* weights, int any_taps, int n,
                         float offset, float* __restrict red, float* __restrict green, float* __restrict blue) {
  const int taps = fixed_taps ? fixed_taps : any_taps;
  const Float4 start = {offset, offset, offset, offset};
  for (int i = 0; i < n; ++i) {
    const float* pixel = row + 3 * (first[i] - origin);
    const float* w = weights + static_cast<ptrdiff_t>(i) * taps;
    Float4 sum = start;
    for (int t = 0; t < taps; ++t) sum += w[t] * load4(pixel + 3 * t);
    blue[i] = sum[0];
    green[i] = sum[1];
    red[i] = sum[2];
  }
}

void blend_columns(const float* row, int origin, const int32_t* first, const float* weights, int taps, int n,
                   float offset, float* red, float* green, float* blue) {
  switch (taps) {
    case 1: return blend_columns_fixed<1>(row, origin, first, weights, taps, n, offset, red, green, blue);
    case 2: return blend_columns_fixed<2>(row, origin, first, weights, taps, n, offset, red, green, blue);
    case 3: return blend_columns_fixed<3>(row, origin, first, weights, taps, n, offset, red, green, blue);
    default: return blend_columns_fixed<0>(row, origin, first, weights, taps, n, offset, red, green, blue);
  }
}

int at_least(const float* scores, int n, float threshold, int32_t* positions) {
  constexpr int kBlock = 32;  // most blocks hold no face: one vector test dismisses them
  int found = 0;
  int i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    int hits = 0;
    for (int k = 0; k < kBlock; ++k) hits += scores[i + k] >= threshold ? 1 : 0;
    if (hits == 0) continue;
    for (int k = 0; k < kBlock; ++k)
      if (scores[i + k] >= threshold) positions[found++] = i + k;
  }
  for (; i < n; ++i)
    if (scores[i] >= threshold) positions[found++] = i;
  return found;
}

}  // namespace

extern const Kernels TRTMTCNN_CONCAT(kernels_, TRTMTCNN_ISA);
const Kernels TRTMTCNN_CONCAT(kernels_, TRTMTCNN_ISA) = {
    TRTMTCNN_STRING(TRTMTCNN_ISA), halve_row, blend_rows, blend_columns, at_least,
};

}  // namespace trtmtcnn::cpu
