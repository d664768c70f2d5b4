// Compiled once for each instruction set with TRTMTCNN_ISA naming it. No inline function of another
// header but those in isa/ may be used here: the linker could pick this copy of it for machines that lack the
// instructions.
#include "cpu/nets/isa/convolution.h"
#include "cpu/nets/isa/first_layer.h"
#include "cpu/nets/isa/first_layer_lanes.h"
#include "cpu/nets/isa/float16_dense.h"
#include "cpu/nets/isa/heads.h"
#include "cpu/nets/isa/pnet_first_layer.h"
#include "cpu/nets/isa/pnet_first_layer_lanes.h"
#include "cpu/nets/isa/pnet_first_layer_tiles.h"
#include "cpu/nets/isa/pooling.h"
#include "cpu/nets/isa/scratch.h"
#include "cpu/nets/isa/winograd.h"
#include "cpu/nets/net_kernels.h"
#include "runtime/macros.h"

namespace trtmtcnn::cpu {
namespace {

// Pixels of whole vectors, where convolutions do not run over their ends.
constexpr int stride_of(int channels) { return ceil_div(channels, kLanes) * kLanes; }
constexpr int kPooledStride = stride_of(10);

const Value* const* rows_of(const void* const* rows) { return reinterpret_cast<const Value* const*>(rows); }

#ifdef TRTMTCNN_PNET_TILES
constexpr int kConv1Tile = kTilePixels, kConv1Rows = PnetTiles::Down::kOut;

void pnet_input(const float* pixels, int n, void* out) { pnet_tile_row(pixels, n, static_cast<Scalar*>(out)); }

void pnet_conv1(const PackedConv& conv, const void* const* rows, int count, int n, void* out) {
  pnet_first_layer_tiles<10, kPooledStride>(rows_of(rows), count, n, conv, static_cast<Scalar*>(out));
}
#elif defined(TRTMTCNN_LANES)
constexpr int kConv1Tile = 0, kConv1Rows = 0;

void pnet_input(const float* pixels, int n, void* out) { split_columns(pixels, n, static_cast<Scalar*>(out)); }

void pnet_conv1(const PackedConv& conv, const void* const* rows, int count, int n, void* out) {
  pnet_first_layer<10, kPooledStride>(rows_of(rows), count, n, conv, static_cast<Scalar*>(out));
}
#else
constexpr int kConv1Tile = 4, kConv1Rows = 1;

void pnet_input(const float* pixels, int n, void* out) { transform_columns(pixels, n, static_cast<float*>(out)); }

void pnet_conv1(const PackedConv& conv, const void* const* rows, int count, int n, void* out) {
  pnet_first_layer_tiles<10, kPooledStride>(rows_of(rows), count, n, conv, static_cast<float*>(out));
}
#endif

// Up to four rows of a 3 x 3 convolution. T: Winograd's tiles at a time in float32.
template <class E, int C, int O, int T, int S, class Out>
void conv3_rows(const typename E::Value* const* rows, int count, int n, const PackedConv& conv, const Out* out) {
  if (count == 4 && n >= 4) {
    decltype(Out::out) const to[4] = {out[0].out, out[1].out, out[2].out, out[3].out};
    constexpr int kTiles = kFloat16 ? 8 : T;
    return Winograd<F4x3, C, O, kTiles, S>::rows(rows, n, conv, to);
  }
  for (int r = 0; r < count; ++r) conv_row<E, C, 3, O, 240, S>(rows + r, n, conv, out[r]);
}

void pnet_conv2(const PackedConv& conv, const void* const* rows, int count, int n, void* const* out) {
  AsValues<Element> to[4];
  for (int r = 0; r < count; ++r) to[r] = {static_cast<Value*>(out[r]), 16};
  conv3_rows<Element, 10, 16, 12, kPooledStride>(rows_of(rows), count, n, conv, to);
}

void pnet_conv3(const PackedConv& conv, const void* const* rows, int count, int n, float* const* out) {
  AsFloats to[4];
  for (int r = 0; r < count; ++r) to[r] = {out[r], 32};
  conv3_rows<Element, 16, 32, 6, 16>(rows_of(rows), count, n, conv, to);
}

// A dense layer, of which the heads are computed.
template <int I, int O>
void dense_floats(const Value* in, int n, const PackedConv& conv, float* out) {
#ifdef TRTMTCNN_FLOAT16
  dense_float16<I, O>(in, n, conv, out);
#else
  dense<Element, I, O>(in, n, conv, AsFloats{out, O});
#endif
}

// R-Net's layers as far as its dense ones, for n crops that lie `crop_stride` values apart: maps of 3 x 3 x 64.
void tower(const PackedConv* convs, const float* crops, ptrdiff_t crop_stride, int n, Value* conv_scratch, Value* map1,
           Value* band, Value* map2, Value* map3) {
  for (int i = 0; i < n; ++i, crops += crop_stride) {
    FirstLayer<28, 24, 3>::run(crops, convs[0], conv_scratch, map1);
    Winograd<F3x3, 28, 48, 9, stride_of(28)>::maps<9>(map1, 1, convs[1], conv_scratch, band);
    pool_map<Element, 48, 9, 3>(band, map2 + 4 * 4 * 48 * i);
  }
  Winograd<F3x2, 48, 64, 8>::maps<3>(map2, n, convs[2], conv_scratch, map3);
}

void rnet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  Arena arena(scratch);
  auto* conv_scratch = arena.take<Value>(kRnetScratchFloats);
  auto* map1 = arena.take<Value>(11 * 11 * 32);
  auto* band = arena.take<Value>(9 * 9 * 48);
  auto* map2 = arena.take<Value>(int64_t{4 * 4 * 48} * n);
  auto* map3 = arena.take<Value>(int64_t{576} * n);
  auto* dense4 = arena.take<float>(int64_t{128} * n);
  tower(convs, static_cast<const float*>(crops), 24 * 24 * 3, n, conv_scratch, map1, band, map2, map3);
  dense_floats<576, 128>(map3, n, convs[3], dense4);
  crop_heads(convs[4], dense4, 128, n, out);
}

void onet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  Arena arena(scratch);
  auto* conv_scratch = arena.take<Value>(kOnetScratchFloats);
  auto* map1 = arena.take<Value>(23 * 23 * 32);
  auto* band = arena.take<Value>(21 * 21 * 64);
  auto* map2 = arena.take<Value>(int64_t{10 * 10 * 64} * n);
  auto* map3 = arena.take<Value>(int64_t{4 * 4 * 64} * n);
  auto* map4 = arena.take<Value>(int64_t{1152} * n);
  auto* dense5 = arena.take<float>(int64_t{256} * n);
  constexpr int kTiles2 = kFloat16 ? 10 : 7;
  for (int i = 0; i < n; ++i) {
    const float* crop = static_cast<const float*>(crops) + int64_t{48} * 48 * 3 * i;
    FirstLayer<32, 48, 3>::run(crop, convs[0], conv_scratch, map1);
    Winograd<F3x3, 32, 64, kTiles2>::maps<21>(map1, 1, convs[1], conv_scratch, band);
    pool_map<Element, 64, 21, 3>(band, map2 + 10 * 10 * 64 * i);
  }
  for (int i = 0; i < n; i += 4) {  // maps that share the reading of the weights
    const int count = n - i < 4 ? n - i : 4;
    Winograd<F4x3, 64, 64, 16>::maps<8>(map2 + 10 * 10 * 64 * i, count, convs[2], conv_scratch, band);
    for (int k = 0; k < count; ++k) pool_map<Element, 64, 8, 2>(band + 8 * 8 * 64 * k, map3 + 4 * 4 * 64 * (i + k));
  }
  Winograd<F3x2, 64, 128, 8>::maps<3>(map3, n, convs[3], conv_scratch, map4);
  dense_floats<1152, 256>(map4, n, convs[4], dense5);
  crop_heads(convs[5], dense5, 256, n, out);
}

#ifndef TRTMTCNN_FLOAT16  // L-Net's points are fractions of a pixel: float32's kernels find them
void lnet(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
  constexpr int kTowers = 5, kCrop = 24 * 24 * 3, kMap = 576;
  Arena arena(scratch);
  auto* conv_scratch = arena.take<Value>(kRnetScratchFloats);
  auto* map1 = arena.take<Value>(11 * 11 * 32);
  auto* band = arena.take<Value>(9 * 9 * 48);
  auto* map2 = arena.take<Value>(int64_t{4 * 4 * 48} * n);
  auto* map3 = arena.take<Value>(int64_t{kMap} * n);
  auto* maps = arena.take<Value>(int64_t{kTowers * kMap} * n);
  auto* dense4 = arena.take<Value>(int64_t{256} * n);
  auto* dense5 = arena.take<float>(int64_t{320} * n);
  for (int t = 0; t < kTowers; ++t) {
    tower(convs + 3 * t, static_cast<const float*>(crops) + t * kCrop, kTowers * kCrop, n, conv_scratch, map1, band,
          map2, map3);
    for (int i = 0; i < n; ++i)
      __builtin_memcpy(maps + (int64_t{kTowers} * i + t) * kMap, map3 + int64_t{kMap} * i, kMap * sizeof(Value));
  }
  dense<Element, kTowers * kMap, 256>(maps, n, convs[3 * kTowers], AsValues<Element>{dense4, 256});
  dense<Element, 256, 320>(dense4, n, convs[3 * kTowers + 1], AsFloats{dense5, 320});
  crop_heads(convs[3 * kTowers + 2], dense5, 320, n, out);
}
#endif

}  // namespace

extern const NetKernels TRTMTCNN_JOIN(net_kernels_, TRTMTCNN_ISA);
const NetKernels TRTMTCNN_JOIN(net_kernels_, TRTMTCNN_ISA) = {
    .name = TRTMTCNN_STRING(TRTMTCNN_ISA),
    .lanes = kLanes,
    .value_size = sizeof(Value),
    .pooled_stride = kPooledStride,
    .conv1_tile = kConv1Tile,
    .conv1_rows = kConv1Rows,
    .pnet_input = pnet_input,
    .pnet_conv1 = pnet_conv1,
    .pnet_conv2 = pnet_conv2,
    .pnet_conv3 = pnet_conv3,
    .pnet_dot = pnet_dot,
    .pnet_heads = pnet_heads,
    .crop_heads = crop_heads,
    .rnet = rnet,
    .onet = onet,
#ifdef TRTMTCNN_FLOAT16
    .head_lanes = kHeadLanes,
    .first_rows = FirstLayer<32, 48, 3>::kRows,
    .first_columns = FirstLayer<32, 48, 3>::kColumns,
    .float16 = true,
#else
    .lnet = lnet,
    .head_lanes = kLanes,
    .first_rows = FirstLayer<32, 48, 3>::kRows,
    .first_columns = FirstLayer<32, 48, 3>::kColumns,
    .slopes_less_one = kLessOne,
#endif
};

}  // namespace trtmtcnn::cpu
