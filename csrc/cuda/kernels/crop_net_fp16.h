// The layers of R-Net, O-Net and L-Net in float16: those of crop_net.h, with convolutions by warps.
#pragma once

#include "cuda/kernels/convolve_tiles.h"
#include "cuda/kernels/crop_net.h"

namespace trtmtcnn::cuda {

// What all layers have: their batch, and the warps, or threads, that share it.
struct HalfCropLayer {
  CropBatch batch;
  int workers;
  const void* in;
  HalfLayer weights;
  void* out;
};

// From one of L-Net's towers to the next.
struct TowerStride {
  ptrdiff_t halves, floats;  // of weights; of biases and slopes
};

// Values of a map.
constexpr int tile_map(int channels, int side) {
  return (channels <= kTilePixels ? 4 : tile_groups(channels) * kTileStep) * side * side;
}

// As CropConvolution; a warp makes kGroups groups of 16 channels of 16 * kTiles pixels, or maxima of four of them. A
// dense layer is one with a kernel of its map's size: rows are crops. Value: of the map that is read, Half or
// TwoHalves; Out: of the one that is written.
template <int kIn, int kSide, int kKernel, int kOut, int kTiles, int kGroups, int kPool = 1, int kTowers = 1,
          typename Value = Half, typename Out = Value>
struct TileConvolution {
  static constexpr int kOutSide = (kSide - kKernel + 1) / kPool, kOutPixels = kOutSide * kOutSide;
  static constexpr int kOutGroups = tile_groups(kOut), kParts = kOutGroups / kGroups;
  static constexpr int kTowerCount = kTowers;
  static constexpr int kPooled = kPool * kPool, kMaxima = 2 * kTiles / kPooled;  // of a lane
  static constexpr int kBlock = 8 * kMaxima;                                     // of a warp
  static_assert(kOutGroups % kGroups == 0 && 2 * kTiles % kPooled == 0 && (kSide - kKernel + 1) % kPool == 0);

  static constexpr int workers(int views) { return (views * kOutPixels + kBlock - 1) / kBlock * kParts * kTowers; }

  template <typename Warp>
  TRTMTCNN_HD static void run(const HalfCropLayer& layer, const TowerStride& stride, const Warp& warp, int worker) {
    const int views = layer.batch.views(), outputs = views * kOutPixels;
    const int items = (outputs + kBlock - 1) / kBlock * kParts * kTowers;
    for (int item = worker; item < items; item += layer.workers) {
      const int part = item % kParts, tower = item / kParts % kTowers, first = item / (kParts * kTowers) * kBlock;
      const HalfLayer weights{layer.weights.weights + tower * stride.halves, layer.weights.bias + tower * stride.floats,
                              layer.weights.slope + tower * stride.floats};
      const auto map_of = [&](int output) {
        return static_cast<ptrdiff_t>(layer.batch.place(output / kOutPixels, views)) * kTowers + tower;
      };
      PerLane<Warp, TileRows<kTiles>> rows;
      warp.each([&](int lane) {
        TRTMTCNN_UNROLL
        for (int s = 0; s < 2 * kTiles; ++s) {
          const int output = min(first + s / kPooled * 8 + tile_row(lane), outputs - 1), pixel = output % kOutPixels;
          const int y = pixel / kOutSide * kPool + s % kPooled / kPool, x = pixel % kOutSide * kPool + s % kPool;
          constexpr int kPixel = pixel_halves<Value>(kIn);
          rows[lane].at[s] = static_cast<const Half*>(layer.in) +
                             map_of(output) * tile_map(kIn, kSide) * kHalves<Value> + kPixel * (y * kSide + x);
          rows[lane].row[s] = kPixel * kSide;
        }
      });
      PerLane<Warp, GroupSums<kTiles, kGroups>> sums;
      convolve_tiles<Value, kIn, kKernel, kTiles, kGroups>(warp, rows, pixel_halves<Value>(kIn) * kSide * kSide,
                                                           weights, part * kGroups, kOutGroups, sums);
      warp.each([&](int lane) {
        TRTMTCNN_UNROLL
        for (int m = 0; m < kMaxima; ++m) {
          const int output = first + 8 * m + tile_row(lane);
          if (output >= outputs) continue;
          const ptrdiff_t group = map_of(output) * kOutGroups + part * kGroups;
          TRTMTCNN_UNROLL
          for (int g = 0; g < kGroups; ++g)
            store_pixel<kTileStep>(static_cast<Out*>(layer.out), (group + g) * kOutPixels + output % kOutPixels,
                                   tile_channel(lane), maximum_of<kPooled>(sums[lane], kPooled * m, g));
        }
      });
    }
  }
};

// As CropPool: four channels.
template <int kChannels, int kSide, int kTowers = 1, typename Value = Half>
struct HalfPool {
  static constexpr int kSideOut = (kSide - 3 + 1) / 2 + 1, kPixels = kSideOut * kSideOut;
  static constexpr int kGroups = kTowers * tile_groups(kChannels);
  static constexpr int workers(int views) { return views * kGroups * kPixels * 4; }

  TRTMTCNN_HD static void run(const HalfCropLayer& layer, int thread) {
    const int views = layer.batch.views(), items = workers(views);
    for (int item = thread; item < items; item += layer.workers) {
      const int pixel = item / 4 % kPixels, y = pixel / kSideOut, x = pixel % kSideOut;
      const int view = item / (4 * kPixels * kGroups), in_view = item / (4 * kPixels) % kGroups;
      const ptrdiff_t group = static_cast<ptrdiff_t>(layer.batch.place(view, views)) * kGroups + in_view;
      const auto at = [&](int r, int c) {
        const ptrdiff_t of_group = (2 * y + min(r, kSide - 1 - 2 * y)) * kSide + 2 * x + min(c, kSide - 1 - 2 * x);
        return load_pixel<kTileStep>(static_cast<const Value*>(layer.in), group * kSide * kSide + of_group,
                                     item % 4 * 4);
      };
      auto most = at(0, 0);
      TRTMTCNN_UNROLL
      for (int r = 0; r < 3; ++r) {
        TRTMTCNN_UNROLL
        for (int c = 0; c < 3; ++c) most = larger(most, at(r, c));
      }
      store_pixel<kTileStep>(static_cast<Value*>(layer.out), group * kPixels + pixel, item % 4 * 4, most);
    }
  }
};

template <typename L>
struct TileKernel {  // of a warp for each index
  using Layer = L;
  HalfCropLayer layer;
  TowerStride stride;
  template <typename Warp>
  TRTMTCNN_HD void operator()(const Warp& warp, int i) const {
    L::run(layer, stride, warp, i);
  }
};
template <typename L>
struct HalfPoolKernel {
  using Layer = L;
  HalfCropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { L::run(layer, i); }
};

// R-Net: 24x24 pixels. What its heads and O-Net's read is float32.
struct RnetConv1Fp16 : TileKernel<TileConvolution<3, 24, 3, 28, 2, 2, 1, 1, TwoHalves>> {};
struct RnetPool1Fp16 : HalfPoolKernel<HalfPool<28, 22, 1, TwoHalves>> {};
struct RnetConv2Fp16 : TileKernel<TileConvolution<28, 11, 3, 48, 2, 3, 1, 1, TwoHalves>> {};
struct RnetPool2Fp16 : HalfPoolKernel<HalfPool<48, 9, 1, TwoHalves>> {};
struct RnetConv3Fp16 : TileKernel<TileConvolution<48, 4, 2, 64, 2, 2, 1, 1, TwoHalves>> {};
struct RnetDenseFp16 : TileKernel<TileConvolution<64, 3, 3, 128, 1, 1, 1, 1, TwoHalves, float>> {};

// O-Net: 48x48 pixels.
struct OnetConv1Fp16 : TileKernel<TileConvolution<3, 48, 3, 32, 2, 2, 1, 1, TwoHalves>> {};
struct OnetPool1Fp16 : HalfPoolKernel<HalfPool<32, 46, 1, TwoHalves>> {};
struct OnetConv2Fp16 : TileKernel<TileConvolution<32, 23, 3, 64, 2, 4, 1, 1, TwoHalves>> {};
struct OnetPool2Fp16 : HalfPoolKernel<HalfPool<64, 21, 1, TwoHalves>> {};
struct OnetConv3Fp16 : TileKernel<TileConvolution<64, 10, 3, 64, 2, 2, 2, 1, TwoHalves>> {};
struct OnetConv4Fp16 : TileKernel<TileConvolution<64, 4, 2, 128, 2, 1, 1, 1, TwoHalves>> {};
struct OnetDenseFp16 : TileKernel<TileConvolution<128, 3, 3, 256, 1, 1, 1, 1, TwoHalves, float>> {};

// L-Net: R-Net's convolutions over five crops of 24x24 pixels, each with weights of its own.
struct LnetConv1Fp16 : TileKernel<TileConvolution<3, 24, 3, 28, 2, 2, 1, kPoints>> {};
struct LnetPool1Fp16 : HalfPoolKernel<HalfPool<28, 22, kPoints>> {};
struct LnetConv2Fp16 : TileKernel<TileConvolution<28, 11, 3, 48, 2, 3, 1, kPoints>> {};
struct LnetPool2Fp16 : HalfPoolKernel<HalfPool<48, 9, kPoints>> {};
struct LnetConv3Fp16 : TileKernel<TileConvolution<48, 4, 2, 64, 2, 2, 1, kPoints>> {};
struct LnetDense1Fp16 : TileKernel<TileConvolution<64 * kPoints, 3, 3, 256, 1, 1>> {};
struct LnetDense2Fp16 : TileKernel<TileConvolution<256, 1, 1, 320, 1, 1>> {};
struct LnetHeadsFp16 : HeadsKernel<Half, 320, 10> {};

}  // namespace trtmtcnn::cuda
