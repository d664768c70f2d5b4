// Compiled once for each instruction set with TRTMTCNN_ISA naming it. No inline function of another
// header may be used here: the linker could pick this copy of it for machines that lack the instructions.
#include "cpu/kernels.h"
#include "runtime/macros.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif
#ifdef __aarch64__
#include <arm_neon.h>
#endif

namespace trtmtcnn::cpu {
namespace {

typedef float Float4 __attribute__((vector_size(16)));

inline Float4 load4(const float* p) {
  Float4 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

#ifdef __AVX512BW__
// The masks, all ones, are for GCC 12, which warns of undefined values in the intrinsics without.
// 16 pixels of both rows at a time: sums of neighbours in 16 bits, four pixels to each quarter of the vector.
// Reads 64 bytes a row, writes 32 of which 24 are the pixels.
int halve_vectors(const uint8_t* top, const uint8_t* bottom, int pairs, uint8_t* dst) {
  const __m512i quarters = _mm512_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
  const __m512i neighbours =
      _mm512_maskz_broadcast_i32x4(0xffff, _mm_setr_epi8(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, -1, -1, -1, -1));
  const __m512i ones = _mm512_set1_epi8(1), two = _mm512_set1_epi16(2);
  const __m512i close =
      _mm512_setr_epi32(0x00010000, 0x00030002, 0x00050004, 0x00090008, 0x000b000a, 0x000d000c, 0x00110010, 0x00130012,
                        0x00150014, 0x00190018, 0x001b001a, 0x001d001c, 0, 0, 0, 0);
  int x = 0;
  for (; x + 11 <= pairs; x += 8) {  // 11: what is read and written stays within the rows
    const auto sums = [&](const uint8_t* row) __attribute__((always_inline)) {
      const __m512i pixels = _mm512_maskz_permutexvar_epi32(0xffff, quarters, _mm512_loadu_si512(row + 6 * x));
      return _mm512_maddubs_epi16(_mm512_shuffle_epi8(pixels, neighbours), ones);
    };
    const __m512i all = _mm512_add_epi16(_mm512_add_epi16(sums(top), sums(bottom)), two);
    const __m512i means = _mm512_maskz_permutexvar_epi16(0xffffffff, close, _mm512_srli_epi16(all, 2));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + 3 * x), _mm512_maskz_cvtepi16_epi8(0xffffffff, means));
  }
  return x;
}
#elif defined(__AVX2__)
// 8 pixels of both rows at a time: sums of neighbours in 16 bits, four pixels to each half of the vector.
// Reads 32 bytes a row, writes 14 of which 12 are the pixels.
int halve_vectors(const uint8_t* top, const uint8_t* bottom, int pairs, uint8_t* dst) {
  const __m256i halves = _mm256_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5);
  const __m256i neighbours =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, -1, -1, -1, -1));
  const __m256i ones = _mm256_set1_epi8(1), two = _mm256_set1_epi16(2);
  int x = 0;
  for (; x + 6 <= pairs; x += 4) {  // 6: what is read and written stays within the rows
    const auto sums = [&](const uint8_t* row) __attribute__((always_inline)) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + 6 * x));
      const __m256i pixels = _mm256_permutevar8x32_epi32(bytes, halves);
      return _mm256_maddubs_epi16(_mm256_shuffle_epi8(pixels, neighbours), ones);
    };
    const __m256i all = _mm256_add_epi16(_mm256_add_epi16(sums(top), sums(bottom)), two);
    const __m256i means = _mm256_packus_epi16(_mm256_srli_epi16(all, 2), _mm256_setzero_si256());
    _mm_storel_epi64(reinterpret_cast<__m128i*>(dst + 3 * x), _mm256_castsi256_si128(means));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(dst + 3 * x + 6), _mm256_extracti128_si256(means, 1));
  }
  return x;
}
#elif defined(__aarch64__)
// 16 pixels of both rows at a time, a vector a channel: sums of neighbours in 16 bits.
int halve_vectors(const uint8_t* top, const uint8_t* bottom, int pairs, uint8_t* dst) {
  int x = 0;
  for (; x + 8 <= pairs; x += 8) {
    const uint8x16x3_t above = vld3q_u8(top + 6 * x), below = vld3q_u8(bottom + 6 * x);
    uint8x8x3_t means;
    for (int c = 0; c < 3; ++c) means.val[c] = vrshrn_n_u16(vpadalq_u8(vpaddlq_u8(above.val[c]), below.val[c]), 2);
    vst3_u8(dst + 3 * x, means);
  }
  return x;
}
#else
int halve_vectors(const uint8_t*, const uint8_t*, int, uint8_t*) { return 0; }
#endif

void halve_row(const uint8_t* top, const uint8_t* bottom, int width, uint8_t* dst) {
  const int pairs = width / 2;
  for (int x = halve_vectors(top, bottom, pairs, dst); x < pairs; ++x) {
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

#ifdef __AVX2__
#ifdef __AVX512BW__
constexpr int kWide = 16;
typedef __m512 Wide;
inline Wide floats_of(const uint8_t* bytes) {
  const __m512i whole = _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  return _mm512_maskz_cvtepi32_ps(0xffff, whole);
}
#else
constexpr int kWide = 8;
typedef __m256 Wide;
inline Wide floats_of(const uint8_t* bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
}
#endif

// Rows of crops are short: what fills no vector at their end is made with the values before it.
template <int fixed_taps>
void blend_rows_fixed(const uint8_t* const* rows, const float* weights, int any_taps, int n, float* __restrict dst) {
  const int taps = fixed_taps ? fixed_taps : any_taps;
  if (n < kWide) {
    for (int i = 0; i < n; ++i) {
      float sum = 0;
      for (int t = 0; t < taps; ++t) sum += weights[t] * static_cast<float>(rows[t][i]);
      dst[i] = sum;
    }
    return;
  }
  for (int i = 0; i < n; i += kWide) {
    const int at = i + kWide <= n ? i : n - kWide;
    Wide sum = {};
    for (int t = 0; t < taps; ++t) sum += weights[t] * floats_of(rows[t] + at);
    __builtin_memcpy(dst + at, &sum, sizeof sum);
  }
}

void blend_rows(const uint8_t* const* rows, const float* weights, int taps, int n, float* __restrict dst) {
  switch (taps) {
    case 1: return blend_rows_fixed<1>(rows, weights, taps, n, dst);
    case 2: return blend_rows_fixed<2>(rows, weights, taps, n, dst);
    case 3: return blend_rows_fixed<3>(rows, weights, taps, n, dst);
    default: return blend_rows_fixed<0>(rows, weights, taps, n, dst);
  }
}
#else
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
#endif

// Neighbouring pixels, weighted: B, G, R and what follows.
inline Float4 blend(const float* pixel, const float* weights, int taps, float offset) {
  Float4 sum = {offset, offset, offset, offset};
  for (int t = 0; t < taps; ++t) sum += weights[t] * load4(pixel + 3 * t);
  return sum;
}

template <int fixed_taps>
void blend_columns_fixed(const float* row, int origin, const int32_t* first, const float* weights, int any_taps, int n,
                         float offset, float* __restrict red, float* __restrict green, float* __restrict blue) {
  const int taps = fixed_taps ? fixed_taps : any_taps;
  for (int i = 0; i < n; ++i) {
    const Float4 sum = blend(row + 3 * (first[i] - origin), weights + static_cast<ptrdiff_t>(i) * taps, taps, offset);
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

#ifdef __AVX2__
typedef float Float8 __attribute__((vector_size(32)));

inline Float8 load_pixels(const float* a, const float* b) {
  return __builtin_shufflevector(load4(a), load4(b), 0, 1, 2, 3, 4, 5, 6, 7);
}

#ifdef __AVX512BW__
constexpr int kPixels = 4;
typedef float Float16 __attribute__((vector_size(64)));
using Pixels = Float16;

template <int taps, int t>
Float16 blend_vector(const float* const* pixels, Float16 weights, Float16 sum) {
  if constexpr (t == taps) {
    return sum;
  } else {
    const Float16 values = __builtin_shufflevector(load_pixels(pixels[0] + 3 * t, pixels[1] + 3 * t),
                                                   load_pixels(pixels[2] + 3 * t, pixels[3] + 3 * t), 0, 1, 2, 3, 4, 5,
                                                   6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    constexpr int b = taps + t, c = 2 * taps + t, d = 3 * taps + t;
    const Float16 weight = __builtin_shufflevector(weights, weights, t, t, t, t, b, b, b, b, c, c, c, c, d, d, d, d);
    return blend_vector<taps, t + 1>(pixels, weights, sum + weight * values);
  }
}

inline Float16 rgb_pixels(Float16 bgr) {
  return __builtin_shufflevector(bgr, bgr, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 3, 7, 11, 15);
}
#else
constexpr int kPixels = 2;
using Pixels = Float8;

template <int taps, int t>
Float8 blend_vector(const float* const* pixels, Float8 weights, Float8 sum) {
  if constexpr (t == taps) {
    return sum;
  } else {
    constexpr int b = taps + t;
    const Float8 weight = __builtin_shufflevector(weights, weights, t, t, t, t, b, b, b, b);
    return blend_vector<taps, t + 1>(pixels, weights, sum + weight * load_pixels(pixels[0] + 3 * t, pixels[1] + 3 * t));
  }
}

inline Float8 rgb_pixels(Float8 bgr) { return __builtin_shufflevector(bgr, bgr, 2, 1, 0, 6, 5, 4, 3, 7); }
#endif

// kPixels at a time. Returns how many are made.
template <int taps>
int blend_pixel_vectors(const float* row, int origin, const int32_t* first, const float* weights, int n, float offset,
                        float* __restrict out) {
  int i = 0;
  for (; i + kPixels <= n; i += kPixels) {
    const float* pixels[kPixels];
    for (int k = 0; k < kPixels; ++k) pixels[k] = row + 3 * static_cast<ptrdiff_t>(first[i + k] - origin);
    Pixels of_taps;
    __builtin_memcpy(&of_taps, weights + static_cast<ptrdiff_t>(i) * taps, sizeof of_taps);
    const Pixels rgb = rgb_pixels(blend_vector<taps, 0>(pixels, of_taps, offset - Pixels{}));
    __builtin_memcpy(out + 3 * i, &rgb, sizeof rgb);
  }
  return i;
}
#else
template <int taps>
int blend_pixel_vectors(const float*, int, const int32_t*, const float*, int, float, float*) {
  return 0;
}
#endif

template <int fixed_taps>
void blend_pixels_fixed(const float* row, int origin, const int32_t* first, const float* weights, int any_taps, int n,
                        float offset, float* __restrict out) {
  const int taps = fixed_taps ? fixed_taps : any_taps;
  int i = 0;
  if constexpr (fixed_taps) i = blend_pixel_vectors<fixed_taps>(row, origin, first, weights, n, offset, out);
  for (; i < n; ++i) {
    const Float4 sum = blend(row + 3 * (first[i] - origin), weights + static_cast<ptrdiff_t>(i) * taps, taps, offset);
    const Float4 rgb = {sum[2], sum[1], sum[0], sum[3]};
    __builtin_memcpy(out + 3 * i, &rgb, sizeof rgb);
  }
}

void blend_pixels(const float* row, int origin, const int32_t* first, const float* weights, int taps, int n,
                  float offset, float* out) {
  switch (taps) {
    case 1: return blend_pixels_fixed<1>(row, origin, first, weights, taps, n, offset, out);
    case 2: return blend_pixels_fixed<2>(row, origin, first, weights, taps, n, offset, out);
    case 3: return blend_pixels_fixed<3>(row, origin, first, weights, taps, n, offset, out);
    default: return blend_pixels_fixed<0>(row, origin, first, weights, taps, n, offset, out);
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

extern const Kernels TRTMTCNN_JOIN(kernels_, TRTMTCNN_ISA);
const Kernels TRTMTCNN_JOIN(kernels_, TRTMTCNN_ISA) = {
    TRTMTCNN_STRING(TRTMTCNN_ISA), halve_row, blend_rows, blend_columns, blend_pixels, at_least,
};

}  // namespace trtmtcnn::cpu
