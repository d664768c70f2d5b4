// Tile registers as Intel's AMX has them: eight of up to 16 rows of 64 bytes, and sums of products of bfloat16 pairs.
// Two implementations of one interface: the instructions, and plain C++ that rounds and sums exactly as they do ("Intel
// 64 and IA-32 Architectures Software Developer's Manual", volume 2, TILELOADD, TILESTORED, TDPBF16PS).
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/nets/isa/vectors.h"

namespace trtmtcnn::cpu {
namespace {

constexpr int kTileRows = 16, kTileBytes = 64, kTileRegisters = 8;
constexpr int kTileValues = 32;  // bfloat16 in a row

struct TileConfiguration {  // as LDTILECFG reads it
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  static constexpr TileConfiguration whole() {
    TileConfiguration all;
    for (int t = 0; t < kTileRegisters; ++t) all.row_bytes[t] = kTileBytes, all.rows[t] = kTileRows;
    return all;
  }
};
static_assert(sizeof(TileConfiguration) == 64);

#ifdef TRTMTCNN_AMX  // compilers do not agree on a macro of theirs

// A thread configures before it uses any other, and releases at the end: the system saves what is in use.
// As assembly, since GCC's intrinsics take no template parameter for the register and do not tell that they read and
// write memory, so that stores before a load could come after it.
struct Tiles {
  static TRTMTCNN_INLINE void configure(const TileConfiguration& shapes) {
    asm volatile("ldtilecfg %0" : : "m"(shapes));
  }
  static TRTMTCNN_INLINE void release() { asm volatile("tilerelease"); }

  template <int T>
  static TRTMTCNN_INLINE void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(T));
  }
  // Rows `stride` bytes apart; 0: the same row in all.
  template <int T>
  static TRTMTCNN_INLINE void load(const void* from, ptrdiff_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  static TRTMTCNN_INLINE void store(void* to, ptrdiff_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(T) : "memory");
  }
  // C[m][n] += sum over k of A[m][2k] B[k][2n] + A[m][2k + 1] B[k][2n + 1].
  template <int C, int A, int B>
  static TRTMTCNN_INLINE void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
};

#else

struct Tiles {
  static void configure(const TileConfiguration& shapes) {
    State& s = state();
    s.shapes = shapes;
    s.configured = true;
    for (auto& tile : s.bytes) __builtin_memset(tile, 0, sizeof tile);
  }
  static void release() { state().configured = false; }

  template <int T>
  static void zero() {
    zero(T);
  }
  template <int T>
  static void load(const void* from, ptrdiff_t stride) {
    load(T, from, stride);
  }
  template <int T>
  static void store(void* to, ptrdiff_t stride) {
    store(T, to, stride);
  }
  template <int C, int A, int B>
  static void multiply() {
    multiply(C, A, B);
  }

  static void zero(int t) { __builtin_memset(used().bytes[t], 0, sizeof used().bytes[t]); }
  static void load(int t, const void* from, ptrdiff_t stride) {
    State& s = used();
    zero(t);  // rows and bytes beyond the shape are zero
    for (int r = 0; r < s.shapes.rows[t]; ++r)
      __builtin_memcpy(s.bytes[t][r], static_cast<const char*>(from) + r * stride, s.shapes.row_bytes[t]);
  }
  static void store(int t, void* to, ptrdiff_t stride) {
    const State& s = used();
    for (int r = 0; r < s.shapes.rows[t]; ++r)
      __builtin_memcpy(static_cast<char*>(to) + r * stride, s.bytes[t][r], s.shapes.row_bytes[t]);
  }

  static void multiply(int c, int a, int b) {
    State& s = used();
    const int rows = s.shapes.rows[c], columns = s.shapes.row_bytes[c] / 4, pairs = s.shapes.row_bytes[a] / 4;
    float of_a[kTileRows][kTileValues], of_b[kTileRows][2][kTileRows];  // B's values by their place in the pair
    const Range ra = spread(s.bytes[a], rows, 2 * pairs, [&](int m, int i) -> float& { return of_a[m][i]; });
    const Range rb =
        spread(s.bytes[b], pairs, 2 * columns, [&](int k, int i) -> float& { return of_b[k][i % 2][i / 2]; });
    // Products are multiples of 2^-14 of the least one's power of two: above 2^-112 nothing can be denormal.
    const bool normal = ra.least * rb.least >= 0x1p-110f && ra.most * rb.most < 0x1p+120f;
    for (int m = 0; m < rows; ++m) {
      float sums[2][kTileRows] = {};
      for (int k = 0; k < pairs; ++k)
        for (int i = 0; i < 2; ++i) {
          const float value = of_a[m][2 * k + i];
          if (normal)
            for (int n = 0; n < kTileRows; ++n) sums[i][n] += value * of_b[k][i][n];  // the product is exact
          else
            for (int n = 0; n < kTileRows; ++n) sums[i][n] = flushed(__builtin_fmaf(value, of_b[k][i][n], sums[i][n]));
        }
      float into[kTileRows];
      __builtin_memcpy(into, s.bytes[c][m], kTileBytes);
      for (int n = 0; n < kTileRows; ++n) {
        const float sum = flushed(sums[0][n] + sums[1][n]);
        into[n] = n < columns ? flushed(flushed(into[n]) + sum) : 0;
      }
      __builtin_memcpy(s.bytes[c][m], into, kTileBytes);
    }
    for (int m = rows; m < kTileRows; ++m) __builtin_memset(s.bytes[c][m], 0, kTileBytes);
  }

 private:
  struct State {
    bool configured = false;
    TileConfiguration shapes;
    alignas(64) unsigned char bytes[kTileRegisters][kTileRows][kTileBytes];
  };
  static State& state() {
    static thread_local State state;
    return state;
  }
  static State& used() {
    State& s = state();
    if (!s.configured) __builtin_trap();  // as the processor would
    return s;
  }

  // Denormals are zero to these instructions.
  static float flushed(float x) { return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0, x) : x; }

  struct Range {  // of magnitudes other than zero
    float least = __builtin_inff(), most = 0;
  };

  // Values as floats, those beyond the shape zero.
  template <class Place>
  static Range spread(const unsigned char (*rows)[kTileBytes], int count, int values, const Place& place) {
    Range range;
    for (int r = 0; r < kTileRows; ++r)
      for (int i = 0; i < kTileValues; ++i) {
        uint16_t half = 0;
        if (r < count && i < values) __builtin_memcpy(&half, rows[r] + 2 * i, 2);
        const uint32_t bits = static_cast<uint32_t>(half) << 16;
        float value;
        __builtin_memcpy(&value, &bits, 4);
        value = flushed(value);
        place(r, i) = value;
        const float size = __builtin_fabsf(value);
        if (size > 0 && size < range.least) range.least = size;
        if (size > range.most) range.most = size;
      }
    return range;
  }
};

#endif

}  // namespace
}  // namespace trtmtcnn::cpu
