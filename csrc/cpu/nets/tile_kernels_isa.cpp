// The networks in tiles of bfloat16, sums in float32. Compiled twice, TRTMTCNN_ISA naming what for: with AMX's
// instructions, and as plain C++ that does the same. As in net_kernels_isa.cpp, no inline function of another header
// but those in isa/ may be used.
//
// Maps are (row, column, channel). A tile of inputs is 16 pixels side by side, 32 values each: with a stride of one
// pixel, what a row of a kernel reads of them is a few such tiles, so that nothing is copied. Maps are taken as one
// long row of pixels: those whose windows wrap round an edge are computed, too, and dropped. Bytes beyond a window are
// multiplied by weights of zero; they must be finite.
#include "cpu/nets/isa/bfloat16.h"
#include "cpu/nets/isa/convolution.h"
#include "cpu/nets/isa/heads.h"
#include "cpu/nets/isa/pooling.h"
#include "cpu/nets/isa/tiles.h"
#include "cpu/nets/net_kernels.h"
#include "runtime/macros.h"

namespace trtmtcnn::cpu {
namespace {

using Half = Bfloat16::Value;
constexpr int kOutputs = 16;  // channels in a tile of sums
constexpr int kWeightTile = kTileRows * kTileValues;

void begin() {
  static constexpr TileConfiguration kShapes = TileConfiguration::whole();
  Tiles::configure(kShapes);
}
void end() { Tiles::release(); }

void to_halves(const float* in, int n, Half* out) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) Bfloat16::put(out + i, load(in + i));
  if (i == n) return;
  float rest[kLanes] = {};
  for (int k = 0; i + k < n; ++k) rest[k] = in[i + k];
  Half last[kLanes];
  Bfloat16::put(last, load(rest));
  for (int k = 0; i + k < n; ++k) out[i + k] = last[k];
}

// PReLU in place, of pixels of `channels` floats, a multiple of 16.
TRTMTCNN_INLINE void prelu_pixels(float* sums, int pixels, int stride, int channels, const float* slope) {
  for (int c = 0; c < channels; c += kLanes) {
    const Vector s = load(slope + c);
    float* at = sums + c;
    for (int p = 0; p < pixels; ++p, at += stride) store(at, prelu(load(at), s));
  }
}

// M x N tiles of sums: `in`, values of the first pixel, `pixel` values from one to the next, `row` from one row of the
// kernel to the next; kRows rows of kChunks tiles.
template <int kRows, int kChunks, int M, int N>
TRTMTCNN_INLINE void multiply(const Half* in, int pixel, int row, const Half* weights, const float* bias, float* out,
                              int out_stride) {
  constexpr int kVector = kRows * kChunks * kWeightTile;
  const ptrdiff_t step = ptrdiff_t{2} * pixel, across = ptrdiff_t{kTileRows} * pixel;
  Tiles::load<0>(bias, 0);
  if constexpr (N > 1) Tiles::load<1>(bias + kOutputs, 0);
  if constexpr (M > 1) Tiles::load<2>(bias, 0);
  if constexpr (M > 1 && N > 1) Tiles::load<3>(bias + kOutputs, 0);
  for (int r = 0; r < kRows; ++r, in += row) {
#pragma GCC unroll 2
    for (int c = 0; c < kChunks; ++c, weights += kWeightTile) {
      Tiles::load<4>(in + c * kTileValues, step);
      if constexpr (M > 1) Tiles::load<5>(in + across + c * kTileValues, step);
      Tiles::load<6>(weights, kTileBytes);
      if constexpr (N > 1) Tiles::load<7>(weights + kVector, kTileBytes);
      Tiles::multiply<0, 4, 6>();
      if constexpr (N > 1) Tiles::multiply<1, 4, 7>();
      if constexpr (M > 1) Tiles::multiply<2, 5, 6>();
      if constexpr (M > 1 && N > 1) Tiles::multiply<3, 5, 7>();
    }
  }
  const ptrdiff_t stride = ptrdiff_t{4} * out_stride;
  Tiles::store<0>(out, stride);
  if constexpr (N > 1) Tiles::store<1>(out + kOutputs, stride);
  if constexpr (M > 1) Tiles::store<2>(out + ptrdiff_t{kTileRows} * out_stride, stride);
  if constexpr (M > 1 && N > 1) Tiles::store<3>(out + ptrdiff_t{kTileRows} * out_stride + kOutputs, stride);
}

// M tiles of pixels to all O channels, PReLU included.
template <int kRows, int kChunks, int O, int M>
TRTMTCNN_INLINE void layer_tiles(const Half* in, int pixel, int row, const PackedConv& conv, float* out) {
  constexpr int kVector = kRows * kChunks * kWeightTile;
  const auto* weights = static_cast<const Half*>(conv.weights);
  int o = 0;
  for (; o + 2 * kOutputs <= O; o += 2 * kOutputs)
    multiply<kRows, kChunks, M, 2>(in, pixel, row, weights + o / kOutputs * kVector, conv.bias + o, out + o, O);
  if constexpr (O % (2 * kOutputs) != 0)
    multiply<kRows, kChunks, M, 1>(in, pixel, row, weights + o / kOutputs * kVector, conv.bias + o, out + o, O);
  prelu_pixels(out, M * kTileRows, O, O, conv.slope);
}

// `pixels` pixels and what fills their last tile. done(n): the sums of the first n are there.
template <int kRows, int kChunks, int O, class Done>
TRTMTCNN_INLINE void layer(const Half* in, int pixel, int row, int pixels, const PackedConv& conv, float* out,
                           Done&& done) {
  static_assert(O % kOutputs == 0);
  int p = 0;
  for (; pixels - p > kTileRows; p += 2 * kTileRows) {
    layer_tiles<kRows, kChunks, O, 2>(in + ptrdiff_t{p} * pixel, pixel, row, conv, out + ptrdiff_t{p} * O);
    done(p + 2 * kTileRows);
  }
  if (p < pixels) {
    layer_tiles<kRows, kChunks, O, 1>(in + ptrdiff_t{p} * pixel, pixel, row, conv, out + ptrdiff_t{p} * O);
    done(p + kTileRows);
  }
}

// Pools rows of N pixels, `pitch` pixels from one to the next, as soon as their sums are there.
template <int O, int N, int W>
class Pool {
 public:
  Pool(const float* sums, int pitch, Half* out) : sums_(sums), pitch_(pitch), out_(out) {}

  TRTMTCNN_INLINE void operator()(int done) {
    for (; row_ < kPooled; ++row_) {
      const int count = 2 * row_ + W <= N ? W : N - 2 * row_;
      if ((2 * row_ + count - 1) * pitch_ + N > done) return;
      const float* rows[W];
      for (int r = 0; r < W; ++r) rows[r] = sums_ + ptrdiff_t{2 * row_ + r} * pitch_ * O;
      pool_row<Bfloat16, O, W>(rows, count, N, O, out_ + ptrdiff_t{row_} * kPooled * O, O);
    }
  }

 private:
  static constexpr int kPooled = pooled_size(N, W);
  const float* sums_;
  int pitch_;
  Half* out_;
  int row_ = 0;
};

// The first layer of crops: three channels, 3 x 3. A window's 27 values are laid out as one row of a tile.
constexpr int kWindow = 32;

// The windows of the pixel that the three rows begin with and its n - 1 neighbours. Each row gives more than the nine
// values that are wanted; the next one overwrites them. Writes two values beyond the end.
TRTMTCNN_INLINE void lay_out_windows(const Half* const* rows, int n, Half* out) {
  for (int x = 0; x < n; ++x, out += kWindow)
#pragma GCC unroll 3
    for (int r = 0; r < 3; ++r) __builtin_memcpy(out + 9 * r, rows[r] + 3 * x, 16 * sizeof(Half));
}

// A crop of S x S pixels, W x W windows pooled.
template <int O, int S, int W>
void first_layer(const float* crop, const PackedConv& conv, Half* values, Half* windows, float* sums, Half* out) {
  constexpr int N = S - 2, kAtOnce = 128;
  to_halves(crop, 3 * S * S, values);
  __builtin_memset(values + 3 * S * S, 0, kTileBytes);
  Pool<O, N, W> pool(sums, N, out);
  int y = 0, x = 0;
  for (int begin = 0; begin < N * N; begin += kAtOnce) {
    const int count = N * N - begin < kAtOnce ? N * N - begin : kAtOnce;
    for (int p = 0; p < count;) {
      const int run = N - x < count - p ? N - x : count - p;
      const Half* rows[3];
      for (int r = 0; r < 3; ++r) rows[r] = values + 3 * ((y + r) * S + x);
      lay_out_windows(rows, run, windows + p * kWindow);
      p += run;
      x += run;
      if (x == N) x = 0, ++y;
    }
    layer<1, 1, O>(windows, kWindow, 0, count, conv, sums + ptrdiff_t{begin} * O,
                   [&](int done) { pool(begin + (done < count ? done : count)); });
  }
}

// A map of S x S pixels of C values through a K x K convolution and windows of W x W.
template <int C, int K, int O, int S, int W>
void conv_pool_map(const Half* in, const PackedConv& conv, float* sums, Half* out) {
  constexpr int N = S - K + 1;
  Pool<O, N, W> pool(sums, S, out);
  layer<K, ceil_div(K * C, kTileValues), O>(in, C, S * C, (N - 1) * S + N, conv, sums, pool);
}

// n maps of 4 x 4 pixels of C values through a 2 x 2 convolution: a map is a tile.
template <int C, int O>
void conv_maps(const Half* in, int n, const PackedConv& conv, float* sums, Half* out) {
  constexpr int kMap = 16;
  static_assert(kMap == kTileRows);
  const auto keep = [&](int first, int count) {
    for (int i = 0; i < count; ++i)
      for (int p = 0; p < 9; ++p)
        for (int c = 0; c < O; c += kLanes)
          Bfloat16::put(out + ptrdiff_t{9 * (first + i) + p} * O + c,
                        load(sums + (kMap * i + p / 3 * 4 + p % 3) * O + c));
  };
  constexpr int kChunks = ceil_div(2 * C, kTileValues);
  int i = 0;
  for (; i + 2 <= n; i += 2) {
    layer_tiles<2, kChunks, O, 2>(in + ptrdiff_t{kMap} * C * i, C, 4 * C, conv, sums);
    keep(i, 2);
  }
  if (i < n) {
    layer_tiles<2, kChunks, O, 1>(in + ptrdiff_t{kMap} * C * i, C, 4 * C, conv, sums);
    keep(i, 1);
  }
}

// n rows of 9 pixels of C values to O floats.
template <int C, int O>
void dense_rows(const Half* in, int n, const PackedConv& conv, float* out) {
  static_assert(3 * C % kTileValues == 0);
  layer<3, 3 * C / kTileValues, O>(in, 9 * C, 3 * C, n, conv, out, [](int) {});
}

// Hands out the scratch memory, or counts what it takes where there is none.
class Memory {
 public:
  explicit Memory(void* at) : begin_(reinterpret_cast<uintptr_t>(at)) {}

  // Tiles are read and written whole: up to 31 pixels beyond the end, and windows of the last of them.
  template <class T>
  T* take(int pixels, int channels) {
    T* taken = reinterpret_cast<T*>(begin_ + bytes_);
    constexpr int kBeyond = 64;
    bytes_ +=
        ((static_cast<size_t>(pixels) + kBeyond) * channels * sizeof(T) + 2 * kTileBytes - 1) / kTileBytes * kTileBytes;
    return taken;
  }
  size_t bytes() const { return bytes_; }

 private:
  uintptr_t begin_;
  size_t bytes_ = 0;
};

// What windows of the last pixel may read beyond a map: finite, whatever the memory held before.
TRTMTCNN_INLINE void end_map(Half* map, int values) { __builtin_memset(map + values, 0, kTileBytes); }

constexpr int kDenseBeyond = 2 * kTileRows;  // maps that dense layers read beyond the last

struct Rnet {
  static constexpr int kSide = 24;
  Memory memory;
  int n;
  Half* values = memory.take<Half>(24 * 24, 3);
  Half* windows = memory.take<Half>(128, kWindow);
  float* sums = memory.take<float>(22 * 22, 48);
  Half* map1 = memory.take<Half>(11 * 11, 32);  // 28 channels, padded to whole rows of tiles
  Half* map2 = memory.take<Half>(16 * n, 48);
  Half* map3 = memory.take<Half>(9 * (n + kDenseBeyond), 64);
  float* dense4 = memory.take<float>(n, 128);

  void conv1(const float* crop, const PackedConv& conv, Half* out) {
    first_layer<32, 24, 3>(crop, conv, values, windows, sums, out);
  }
  void conv2(const Half* in, const PackedConv& conv, Half* out) {
    conv_pool_map<32, 3, 48, 11, 3>(in, conv, sums, out);
  }
  void conv3(const Half* in, const PackedConv& conv, Half* out) { conv_maps<48, 64>(in, n, conv, sums, out); }

  void run(const PackedConv* convs, const float* crops, float* out) {
    end_map(map1, 11 * 11 * 32);
    end_map(map2, 16 * 48 * n);
    for (int i = 0; i < n; ++i) {
      conv1(crops + ptrdiff_t{3 * kSide * kSide} * i, convs[0], map1);
      conv2(map1, convs[1], map2 + ptrdiff_t{16 * 48} * i);
    }
    conv3(map2, convs[2], map3);
    dense_rows<64, 128>(map3, n, convs[3], dense4);
    crop_heads(convs[4], dense4, 128, n, out);
  }

  void one_layer(int layer, const PackedConv& conv, const void* in, void* out) {
    const auto* from = static_cast<const Half*>(in);
    auto* to = static_cast<Half*>(out);
    for (int i = 0; layer == 0 && i < n; ++i)
      conv1(static_cast<const float*>(in) + ptrdiff_t{3 * kSide * kSide} * i, conv, to + 11 * 11 * 32 * i);
    for (int i = 0; layer == 1 && i < n; ++i) conv2(from + 11 * 11 * 32 * i, conv, to + 16 * 48 * i);
    if (layer == 2) conv3(from, conv, to);
    if (layer == 3) dense_rows<64, 128>(from, n, conv, static_cast<float*>(out));
  }
};

struct Onet {
  static constexpr int kSide = 48;
  Memory memory;
  int n;
  Half* values = memory.take<Half>(48 * 48, 3);
  Half* windows = memory.take<Half>(128, kWindow);
  float* sums = memory.take<float>(46 * 46, 64);
  Half* map1 = memory.take<Half>(23 * 23, 32);
  Half* map2 = memory.take<Half>(100 * n, 64);
  Half* map3 = memory.take<Half>(16 * n, 64);
  Half* map4 = memory.take<Half>(9 * (n + kDenseBeyond), 128);
  float* dense5 = memory.take<float>(n, 256);

  void conv1(const float* crop, const PackedConv& conv, Half* out) {
    first_layer<32, 48, 3>(crop, conv, values, windows, sums, out);
  }
  void conv2(const Half* in, const PackedConv& conv, Half* out) {
    conv_pool_map<32, 3, 64, 23, 3>(in, conv, sums, out);
  }
  void conv3(const Half* in, const PackedConv& conv, Half* out) {
    conv_pool_map<64, 3, 64, 10, 2>(in, conv, sums, out);
  }
  void conv4(const Half* in, const PackedConv& conv, Half* out) { conv_maps<64, 128>(in, n, conv, sums, out); }

  void run(const PackedConv* convs, const float* crops, float* out) {
    end_map(map1, 23 * 23 * 32);
    end_map(map2, 100 * 64 * n);
    end_map(map3, 16 * 64 * n);
    for (int i = 0; i < n; ++i) {
      conv1(crops + ptrdiff_t{3 * kSide * kSide} * i, convs[0], map1);
      conv2(map1, convs[1], map2 + ptrdiff_t{100 * 64} * i);
    }
    for (int i = 0; i < n; ++i) conv3(map2 + ptrdiff_t{100 * 64} * i, convs[2], map3 + ptrdiff_t{16 * 64} * i);
    conv4(map3, convs[3], map4);
    dense_rows<128, 256>(map4, n, convs[4], dense5);
    crop_heads(convs[5], dense5, 256, n, out);
  }

  void one_layer(int layer, const PackedConv& conv, const void* in, void* out) {
    const auto* from = static_cast<const Half*>(in);
    auto* to = static_cast<Half*>(out);
    for (int i = 0; layer == 0 && i < n; ++i)
      conv1(static_cast<const float*>(in) + ptrdiff_t{3 * kSide * kSide} * i, conv, to + 23 * 23 * 32 * i);
    for (int i = 0; layer == 1 && i < n; ++i) conv2(from + 23 * 23 * 32 * i, conv, to + 100 * 64 * i);
    for (int i = 0; layer == 2 && i < n; ++i) conv3(from + 100 * 64 * i, conv, to + 16 * 64 * i);
    if (layer == 3) conv4(from, conv, to);
    if (layer == 4) dense_rows<128, 256>(from, n, conv, static_cast<float*>(out));
  }
};

void rnet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  Rnet{Memory(scratch), n}.run(convs, static_cast<const float*>(crops), out);
}

void onet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  Onet{Memory(scratch), n}.run(convs, static_cast<const float*>(crops), out);
}

size_t crop_scratch(bool rnet, int n) {
  return rnet ? Rnet{Memory(nullptr), n}.memory.bytes() : Onet{Memory(nullptr), n}.memory.bytes();
}

void crop_layer(bool rnet, int layer, const PackedConv& conv, const void* in, int n, void* scratch, void* out) {
  if (rnet)
    Rnet{Memory(scratch), n}.one_layer(layer, conv, in, out);
  else
    Onet{Memory(scratch), n}.one_layer(layer, conv, in, out);
}

// P-Net. Pixels of the first map are 10 values, those of the second 16.
constexpr int kPooledStride = 10, kMapStride = 16;

void pnet_input(const float* pixels, int n, void* out) {
  auto* values = static_cast<Half*>(out);
  to_halves(pixels, 3 * n, values);
  __builtin_memset(values + 3 * n, 0, kTileBytes);
}

// Of the sums of eight pixels in kCount rows the maxima of each two pixels, with PReLU. kOdd: those of the even ones.
template <int kCount, bool kOdd>
TRTMTCNN_INLINE void pool_first(const float (*sums)[kTileRows * 2 * kFirstColumns], int at, const float* slope,
                                Half* out) {
#pragma GCC unroll 12
  for (int c = 0; c < kFirstColumns; c += kLanes) {
    const Vector s = load(slope + c);
    Vector most = prelu(load(sums[0] + at + c), s);
    if constexpr (!kOdd) most = maximum(most, prelu(load(sums[0] + at + kFirstColumns + c), s));
    if constexpr (kCount > 1) most = maximum(most, prelu(load(sums[1] + at + c), s));
    if constexpr (kCount > 1 && !kOdd) most = maximum(most, prelu(load(sums[1] + at + kFirstColumns + c), s));
    Bfloat16::put(out + c, most);
  }
}

template <int kCount>
void conv1_rows(const PackedConv& conv, const void* const* rows, int n, Half* out) {
  constexpr int kColumns = 2 * kFirstColumns, kPooled = kFirstPixels / 2 * kPooledStride;
  constexpr ptrdiff_t kStep = 2 * 3 * kFirstPixels, kSums = 4 * kColumns;
  alignas(kTileBytes) float sums[kCount][kTileRows * kColumns];
  for (int x = 0; x < n; x += kTileRows * kFirstPixels) {
    const auto in = [&](int r) { return static_cast<const Half*>(rows[r]) + ptrdiff_t{3} * x; };
    const auto* weights = static_cast<const Half*>(conv.weights);
    for (int c = 0; c < kColumns; c += 2 * kOutputs, weights += 6 * kWeightTile) {
      Tiles::load<0>(conv.bias + c, 0);
      Tiles::load<1>(conv.bias + c + kOutputs, 0);
      if constexpr (kCount > 1) Tiles::load<2>(conv.bias + c, 0);
      if constexpr (kCount > 1) Tiles::load<3>(conv.bias + c + kOutputs, 0);
      const auto load_weights = [&](int r) {
        Tiles::load<6>(weights + r * kWeightTile, kTileBytes);
        Tiles::load<7>(weights + (3 + r) * kWeightTile, kTileBytes);
      };
      Tiles::load<4>(in(0), kStep);
      Tiles::load<5>(in(1), kStep);
      load_weights(0);
      Tiles::multiply<0, 4, 6>();
      Tiles::multiply<1, 4, 7>();
      if constexpr (kCount > 1) Tiles::multiply<2, 5, 6>();
      if constexpr (kCount > 1) Tiles::multiply<3, 5, 7>();
      Tiles::load<4>(in(2), kStep);
      load_weights(1);
      Tiles::multiply<0, 5, 6>();
      Tiles::multiply<1, 5, 7>();
      if constexpr (kCount > 1) Tiles::multiply<2, 4, 6>();
      if constexpr (kCount > 1) Tiles::multiply<3, 4, 7>();
      if constexpr (kCount > 1) Tiles::load<5>(in(3), kStep);
      load_weights(2);
      Tiles::multiply<0, 4, 6>();
      Tiles::multiply<1, 4, 7>();
      if constexpr (kCount > 1) Tiles::multiply<2, 5, 6>();
      if constexpr (kCount > 1) Tiles::multiply<3, 5, 7>();
      Tiles::store<0>(sums[0] + c, kSums);
      Tiles::store<1>(sums[0] + c + kOutputs, kSums);
      if constexpr (kCount > 1) Tiles::store<2>(sums[1] + c, kSums);
      if constexpr (kCount > 1) Tiles::store<3>(sums[1] + c + kOutputs, kSums);
    }
    Half* to = out + ptrdiff_t{x / kFirstPixels} * kPooled;
    const int left = n - x, of_eight = left < kTileRows * kFirstPixels ? ceil_div(left, kFirstPixels) : kTileRows;
    // Each writes eight values more than it has; the next one overwrites them.
    for (int m = 0; m < of_eight; ++m) pool_first<kCount, false>(sums, m * kColumns, conv.slope, to + m * kPooled);
    if (n % 2 == 0 || left > kTileRows * kFirstPixels) continue;
    const int last = left - 1;  // a pixel without a neighbour
    Half even[kFirstColumns];
    pool_first<kCount, true>(sums, last / kFirstPixels * kColumns, conv.slope, even);
    __builtin_memcpy(to + last / 2 * kPooledStride, even + last % kFirstPixels / 2 * kPooledStride,
                     kPooledStride * sizeof(Half));
  }
}

void pnet_conv1(const PackedConv& conv, const void* const* rows, int count, int n, void* out) {
  if (count == 1) return conv1_rows<1>(conv, rows, n, static_cast<Half*>(out));
  conv1_rows<2>(conv, rows, n, static_cast<Half*>(out));
}

// Sums of kCount rows of 16 pixels: each row of inputs is loaded once, for all rows of the kernel.
template <int kCount, int kChunks>
TRTMTCNN_INLINE void multiply_rows(const void* const* rows, ptrdiff_t x, int pixel, const Half* weights,
                                   const float* bias) {
  const ptrdiff_t step = ptrdiff_t{2} * pixel;
  Tiles::load<0>(bias, 0);
  if constexpr (kCount > 1) Tiles::load<1>(bias, 0);
  if constexpr (kCount > 2) Tiles::load<2>(bias, 0);
  if constexpr (kCount > 3) Tiles::load<3>(bias, 0);
#pragma GCC unroll 2
  for (int c = 0; c < kChunks; ++c, weights += kWeightTile) {
    Tiles::load<5>(weights, kTileBytes);
    Tiles::load<6>(weights + kChunks * kWeightTile, kTileBytes);
    Tiles::load<7>(weights + 2 * kChunks * kWeightTile, kTileBytes);
    const auto in = [&](int r) { return static_cast<const Half*>(rows[r]) + x * pixel + c * kTileValues; };
    Tiles::load<4>(in(0), step);
    Tiles::multiply<0, 4, 5>();
    Tiles::load<4>(in(1), step);
    Tiles::multiply<0, 4, 6>();
    if constexpr (kCount > 1) Tiles::multiply<1, 4, 5>();
    Tiles::load<4>(in(2), step);
    Tiles::multiply<0, 4, 7>();
    if constexpr (kCount > 1) Tiles::multiply<1, 4, 6>();
    if constexpr (kCount > 2) Tiles::multiply<2, 4, 5>();
    if constexpr (kCount > 1) {
      Tiles::load<4>(in(3), step);
      Tiles::multiply<1, 4, 7>();
      if constexpr (kCount > 2) Tiles::multiply<2, 4, 6>();
      if constexpr (kCount > 3) Tiles::multiply<3, 4, 5>();
    }
    if constexpr (kCount > 2) {
      Tiles::load<4>(in(4), step);
      Tiles::multiply<2, 4, 7>();
      if constexpr (kCount > 3) Tiles::multiply<3, 4, 6>();
    }
    if constexpr (kCount > 3) {
      Tiles::load<4>(in(5), step);
      Tiles::multiply<3, 4, 7>();
    }
  }
}

template <int kCount>
TRTMTCNN_INLINE void store_rows(float* const* out, ptrdiff_t at, int stride) {
  const ptrdiff_t step = ptrdiff_t{4} * stride;
  Tiles::store<0>(out[0] + at, step);
  if constexpr (kCount > 1) Tiles::store<1>(out[1] + at, step);
  if constexpr (kCount > 2) Tiles::store<2>(out[2] + at, step);
  if constexpr (kCount > 3) Tiles::store<3>(out[3] + at, step);
}

template <int kCount>
void conv2_rows(const PackedConv& conv, const void* const* rows, int n, void* const* out) {
  alignas(kTileBytes) float sums[kCount][kTileRows * kOutputs];
  float* to[kCount];
  for (int r = 0; r < kCount; ++r) to[r] = sums[r];
  for (int x = 0; x < n; x += kTileRows) {
    multiply_rows<kCount, 1>(rows, x, kPooledStride, static_cast<const Half*>(conv.weights), conv.bias);
    store_rows<kCount>(to, 0, kOutputs);
    const int m = n - x < kTileRows ? n - x : kTileRows;
    for (int c = 0; c < kOutputs; c += kLanes) {
      const Vector slope = load(conv.slope + c);
      for (int r = 0; r < kCount; ++r)
        for (int p = 0; p < m; ++p)
          Bfloat16::put(static_cast<Half*>(out[r]) + ptrdiff_t{kMapStride} * (x + p) + c,
                        prelu(load(sums[r] + p * kOutputs + c), slope));
    }
  }
}

template <int kCount>
void conv3_rows(const PackedConv& conv, const void* const* rows, int n, float* const* out) {
  constexpr int kChunks = 2, O = 32;
  for (int x = 0; x < n; x += kTileRows) {
    const int m = n - x < kTileRows ? n - x : kTileRows;
    for (int o = 0; o < O; o += kOutputs) {
      const auto* weights = static_cast<const Half*>(conv.weights) + o / kOutputs * (3 * kChunks * kWeightTile);
      multiply_rows<kCount, kChunks>(rows, x, kMapStride, weights, conv.bias + o);
      store_rows<kCount>(out, ptrdiff_t{O} * x + o, O);
      for (int r = 0; r < kCount; ++r) prelu_pixels(out[r] + ptrdiff_t{O} * x + o, m, O, kOutputs, conv.slope + o);
    }
  }
}

void pnet_conv2(const PackedConv& conv, const void* const* rows, int count, int n, void* const* out) {
  switch (count) {
    case 1: return conv2_rows<1>(conv, rows, n, out);
    case 2: return conv2_rows<2>(conv, rows, n, out);
    case 3: return conv2_rows<3>(conv, rows, n, out);
    default: return conv2_rows<4>(conv, rows, n, out);
  }
}

void pnet_conv3(const PackedConv& conv, const void* const* rows, int count, int n, float* const* out) {
  switch (count) {
    case 1: return conv3_rows<1>(conv, rows, n, out);
    case 2: return conv3_rows<2>(conv, rows, n, out);
    case 3: return conv3_rows<3>(conv, rows, n, out);
    default: return conv3_rows<4>(conv, rows, n, out);
  }
}

}  // namespace

extern const NetKernels TRTMTCNN_JOIN(net_kernels_, TRTMTCNN_ISA);
const NetKernels TRTMTCNN_JOIN(net_kernels_, TRTMTCNN_ISA) = {
    .name = TRTMTCNN_STRING(TRTMTCNN_ISA),
    .lanes = kLanes,
    .value_size = sizeof(Half),
    .pooled_stride = kPooledStride,
    .pnet_input = pnet_input,
    .pnet_conv1 = pnet_conv1,
    .pnet_conv2 = pnet_conv2,
    .pnet_conv3 = pnet_conv3,
    .pnet_dot = pnet_dot,
    .pnet_heads = pnet_heads,
    .crop_heads = crop_heads,
    .rnet = rnet,
    .onet = onet,
    .head_lanes = kLanes,
    .batch = 16,
    .tiles = true,
    .begin = begin,
    .end = end,
    .crop_scratch = crop_scratch,
    .crop_layer = crop_layer,
};

}  // namespace trtmtcnn::cpu
