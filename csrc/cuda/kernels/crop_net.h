// The layers of R-Net, O-Net and L-Net, over the crops of a batch. How many there are is on the device: a kernel is
// launched for as many as there may be, and its threads share out those that there are.
#pragma once

#include "cuda/kernels/convolve.h"
#include "head_outputs.h"
#include "networks.h"

namespace trtmtcnn::cuda {

struct CropBatch {
  const int* count;  // boxes in all, of which the batch has crops from `begin` on; null: there are `most` crops
  int begin, most;
  int flipped;  // crop i's mirror image is crop flipped + i; 0: there are none

  TRTMTCNN_HD int crops() const { return count ? clamp(*count - begin, 0, most) : most; }
  TRTMTCNN_HD int views() const { return flipped ? 2 * crops() : crops(); }
  // Where view i of n is.
  TRTMTCNN_HD int place(int i, int n) const { return flipped && i >= n / 2 ? flipped + i - n / 2 : i; }
};

// What all layers have: their batch, and the threads that share it.
struct CropLayer {
  CropBatch batch;
  int threads;
  const float* in;
  LayerWeights weights;
  float* out;
};

// A convolution with its PReLU of kTowers maps a crop, each of which has weights of its own. kPool: 2: blocks are two
// pixels square, of which the maximum is written; else 1.
template <int kIn, int kSide, int kKernel, int kOut, int kRows, int kOutputs, int kPool = 1, int kTowers = 1>
struct CropConvolution {
  static constexpr int kColumns = kPool, kOutSide = kSide - kKernel + 1, kBlockRows = kOutSide / kRows;
  static constexpr int kBlockColumns = kOutSide / kColumns, kParts = kOut / kOutputs;
  static constexpr int kBlocks = kBlockRows * kBlockColumns;  // of a map and some of its channels
  static constexpr int kFloatsIn = groups_of(kIn) * 4 * kSide * kSide;
  static constexpr int kSideOut = kOutSide / kPool, kFloatsOut = kOut * kSideOut * kSideOut;
  static_assert(kOutSide % kRows == 0 && kOutSide % kColumns == 0 && kOut % kOutputs == 0 && kOutputs % 4 == 0);
  static_assert(kPool == 1 || kRows == 2);
  static constexpr int threads(int views) { return views * kTowers * kBlocks * kParts; }

  TRTMTCNN_HD static void run(const CropLayer& layer, int tower_stride, int thread) {
    const int views = layer.batch.views(), maps = views * kTowers, items = maps * kBlocks * kParts;
    for (int item = thread; item < items; item += layer.threads) {
      const int part = item / (maps * kBlocks), in_part = item % (maps * kBlocks);
      const int map = in_part / kBlocks, block = in_part % kBlocks;
      const int tower = kTowers == 1 ? 0 : map % kTowers;
      const int place = layer.batch.place(map / kTowers, views) * kTowers + tower;
      const int y = block / kBlockColumns * kRows, x = block % kBlockColumns * kColumns;
      const ptrdiff_t shift = static_cast<ptrdiff_t>(tower) * tower_stride;
      const LayerWeights weights{layer.weights.weights + shift, layer.weights.bias + shift,
                                 layer.weights.slope + shift};
      const MapBlock from{layer.in + static_cast<ptrdiff_t>(place) * kFloatsIn + 4 * (y * kSide + x), 4 * kSide * kSide,
                          4 * kSide, kRows + kKernel - 2, kColumns + kKernel - 2};
      const auto sums = convolve<kIn, kKernel, kRows, kColumns, kOutputs>(from, weights, part * kOutputs, kOut);
      write(sums, layer.out + static_cast<ptrdiff_t>(place) * kFloatsOut, y, x, part * kOutputs);
    }
  }

 private:
  TRTMTCNN_HD static void write(const Sums<kRows, kColumns, kOutputs>& sums, float* map, int y, int x, int first) {
    constexpr int kGroup = 4 * kSideOut * kSideOut;
    TRTMTCNN_UNROLL
    for (int o = 0; o < kOutputs; o += 4) {
      float* group = map + (first + o) / 4 * kGroup;
      if constexpr (kPool == 2) {
        Four four = sums.four(0, 0, o);
        TRTMTCNN_UNROLL
        for (int i = 0; i < 4; ++i)
          four.at[i] = max(max(four.at[i], sums.at[0][1][o + i]), max(sums.at[1][0][o + i], sums.at[1][1][o + i]));
        store_four(group + 4 * (y / 2 * kSideOut + x / 2), four);
      } else {
        TRTMTCNN_UNROLL
        for (int r = 0; r < kRows; ++r) store_four(group + 4 * ((y + r) * kSideOut + x), sums.four(r, 0, o));
      }
    }
  }
};

// The maxima of 3x3 windows, every second pixel of each axis; windows beyond the map's end have fewer pixels.
template <int kChannels, int kSide, int kTowers = 1>
struct CropPool {
  static constexpr int kSideOut = (kSide - 3 + 1) / 2 + 1;
  static constexpr int kGroups = kTowers * groups_of(kChannels), kPixels = kSideOut * kSideOut;
  static constexpr int threads(int views) { return views * kGroups * kPixels; }

  TRTMTCNN_HD static void run(const CropLayer& layer, int thread) {
    const int views = layer.batch.views(), items = views * kGroups * kPixels;
    for (int item = thread; item < items; item += layer.threads) {
      const ptrdiff_t group = static_cast<ptrdiff_t>(layer.batch.place(item / (kGroups * kPixels), views)) * kGroups +
                              item / kPixels % kGroups;
      const int y = item % kPixels / kSideOut, x = item % kSideOut;
      const float* from = layer.in + group * 4 * kSide * kSide + 4 * (2 * y * kSide + 2 * x);
      Four most = load_four(from);
      TRTMTCNN_UNROLL
      for (int r = 0; r < 3; ++r) {
        TRTMTCNN_UNROLL
        for (int c = 0; c < 3; ++c) {
          const Four four = load_four(from + 4 * (min(r, kSide - 1 - 2 * y) * kSide + min(c, kSide - 1 - 2 * x)));
          TRTMTCNN_UNROLL
          for (int i = 0; i < 4; ++i) most.at[i] = max(most.at[i], four.at[i]);
        }
      }
      store_four(layer.out + group * 4 * kPixels + 4 * (y * kSideOut + x), most);
    }
  }
};

// A part of a dense layer's inputs, for four outputs of each of kCrops crops, which share the reading of the weights.
// One thread for all inputs would wait for memory as often as there are inputs; the sums of kSplits parts are added
// after.
template <int kIn, int kOut, int kCrops, int kSplits>
struct CropDense {
  static constexpr int kPart = kIn / kSplits;
  static_assert(kIn % kSplits == 0 && kPart % 4 == 0 && kOut % 4 == 0);
  static constexpr int threads(int views) { return (views + kCrops - 1) / kCrops * (kOut / 4) * kSplits; }

  // Writes (n, kSplits, kOut).
  TRTMTCNN_HD static void run(const CropLayer& layer, int thread) {
    const int views = layer.batch.views(), blocks = (views + kCrops - 1) / kCrops * (kOut / 4);
    for (int item = thread; item < blocks * kSplits; item += layer.threads) {
      const int split = item / blocks, block = item % blocks;
      const int first = block % (kOut / 4) * 4, crop = block / (kOut / 4) * kCrops;
      const float* in[kCrops];
      Sums<kCrops, 1, 4> sums{};
      TRTMTCNN_UNROLL
      for (int i = 0; i < kCrops; ++i)
        in[i] =
            layer.in + static_cast<ptrdiff_t>(layer.batch.place(min(crop + i, views - 1), views)) * kIn + split * kPart;
      const float* weights = layer.weights.weights + static_cast<ptrdiff_t>(split) * kPart * kOut + first;
      TRTMTCNN_LOOP
      for (int k = 0; k < kPart; k += 4, weights += 4 * kOut) {
        Four values[kCrops];
        TRTMTCNN_UNROLL
        for (int i = 0; i < kCrops; ++i) values[i] = load_four(in[i] + k);
        TRTMTCNN_UNROLL
        for (int j = 0; j < 4; ++j) {
          const Four weight = load_four(weights + j * kOut);
          TRTMTCNN_UNROLL
          for (int i = 0; i < kCrops; ++i) {
            TRTMTCNN_UNROLL
            for (int o = 0; o < 4; ++o) sums.at[i][0][o] += values[i].at[j] * weight.at[o];
          }
        }
      }
      TRTMTCNN_UNROLL
      for (int i = 0; i < kCrops; ++i)
        if (crop + i < views)
          store_four(
              layer.out + (static_cast<ptrdiff_t>(layer.batch.place(crop + i, views)) * kSplits + split) * kOut + first,
              sums.four(i, 0, 0));
    }
  }
};

// What CropDense left to do: the parts' sums, bias and PReLU, of four outputs of a crop.
template <int kOut, int kSplits>
struct CropDenseSum {
  static constexpr int threads(int views) { return views * (kOut / 4); }

  TRTMTCNN_HD static void run(const CropLayer& layer, int thread) {
    const int views = layer.batch.views(), items = views * (kOut / 4);
    for (int item = thread; item < items; item += layer.threads) {
      const int first = item % (kOut / 4) * 4;
      const ptrdiff_t crop = layer.batch.place(item / (kOut / 4), views);
      Sums<1, 1, 4> sum;
      sum.set(layer.weights.bias + first);
      TRTMTCNN_UNROLL
      for (int split = 0; split < kSplits; ++split) {
        const Four part = load_four(layer.in + (crop * kSplits + split) * kOut + first);
        TRTMTCNN_UNROLL
        for (int i = 0; i < 4; ++i) sum.at[0][0][i] += part.at[i];
      }
      sum.activate(layer.weights.slope + first);
      store_four(layer.out + crop * kOut + first, sum.four(0, 0, 0));
    }
  }
};

// Where the heads of crops write; see HeadOutputs.
struct HeadBuffers {
  float *prob, *regression, *landmarks;  // null where the network has none

  TRTMTCNN_HD void write(int crop, int output, float sum) const {
    if (!prob) {
      landmarks[kLandmarks * crop + output] = sum;
    } else if (output < kProb.channels) {
      const float face = face_probability(sum);
      prob[kProb.channels * crop + output] = output == 1 ? face : 1 - face;
    } else if (output < kProb.channels + kRegression.channels) {
      regression[kRegression.channels * crop + output - kProb.channels] = sum;
    } else {
      landmarks[kLandmarks * crop + output - kProb.channels - kRegression.channels] = sum;
    }
  }
};

// One of a crop's outputs.
template <int kIn, int kOutputs>
struct CropHeads {
  static constexpr int threads(int views) { return views * kOutputs; }

  template <typename Value>
  TRTMTCNN_HD static void run(const CropBatch& batch, int threads, const Value* in, const LayerWeights& heads,
                              const HeadBuffers& to, int thread) {
    const int views = batch.views(), items = views * kOutputs;
    for (int item = thread; item < items; item += threads) {
      const int crop = batch.place(item / kOutputs, views), output = item % kOutputs;
      const Value* features = in + static_cast<ptrdiff_t>(crop) * kIn;
      float sums[4] = {heads.bias[output], 0, 0, 0};
      for (int f = 0; f < kIn; f += 4) {
        const Four four = load_four(features + f);
        TRTMTCNN_UNROLL
        for (int k = 0; k < 4; ++k) sums[k] += four.at[k] * heads.weights[(f + k) * kHeads + output];
      }
      to.write(crop, output, sums[0] + sums[1] + (sums[2] + sums[3]));
    }
  }
};

// Kernels have names of their own, by which traces and cost models know them.
template <typename L>
struct LayerKernel {
  using Layer = L;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { L::run(layer, i); }
};
template <typename L>
struct TowerKernel {
  using Layer = L;
  CropLayer layer;
  int tower_stride;  // floats from a tower's weights to the next tower's
  TRTMTCNN_HD void operator()(int i) const { L::run(layer, tower_stride, i); }
};
template <typename Value, int kIn, int kOutputs>
struct HeadsKernel {
  using Layer = CropHeads<kIn, kOutputs>;
  CropBatch batch;
  int threads;
  const Value* in;
  LayerWeights weights;
  HeadBuffers to;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(batch, threads, in, weights, to, i); }
};

// R-Net: 24x24 pixels.
struct RnetConv1 : TowerKernel<CropConvolution<3, 24, 3, 28, 2, 28>> {};
struct RnetPool1 : LayerKernel<CropPool<28, 22>> {};
struct RnetConv2 : TowerKernel<CropConvolution<28, 11, 3, 48, 3, 16>> {};
struct RnetPool2 : LayerKernel<CropPool<48, 9>> {};
struct RnetConv3 : TowerKernel<CropConvolution<48, 4, 2, 64, 3, 8>> {};
struct RnetDense : LayerKernel<CropDense<576, 128, 8, 8>> {};
struct RnetDenseSum : LayerKernel<CropDenseSum<128, 8>> {};
struct RnetHeads : HeadsKernel<float, 128, 6> {};

// O-Net: 48x48 pixels.
struct OnetConv1 : TowerKernel<CropConvolution<3, 48, 3, 32, 2, 32>> {};
struct OnetPool1 : LayerKernel<CropPool<32, 46>> {};
struct OnetConv2 : TowerKernel<CropConvolution<32, 23, 3, 64, 3, 16>> {};
struct OnetPool2 : LayerKernel<CropPool<64, 21>> {};
struct OnetConv3 : TowerKernel<CropConvolution<64, 10, 3, 64, 2, 4, 2>> {};
struct OnetConv4 : TowerKernel<CropConvolution<64, 4, 2, 128, 3, 4>> {};
struct OnetDense : LayerKernel<CropDense<1152, 256, 4, 16>> {};
struct OnetDenseSum : LayerKernel<CropDenseSum<256, 16>> {};
struct OnetHeads : HeadsKernel<float, 256, 16> {};

// L-Net: R-Net's convolutions over five crops of 24x24 pixels, each with weights of its own.
struct LnetConv1 : TowerKernel<CropConvolution<3, 24, 3, 28, 2, 28, 1, kPoints>> {};
struct LnetPool1 : LayerKernel<CropPool<28, 22, kPoints>> {};
struct LnetConv2 : TowerKernel<CropConvolution<28, 11, 3, 48, 3, 16, 1, kPoints>> {};
struct LnetPool2 : LayerKernel<CropPool<48, 9, kPoints>> {};
struct LnetConv3 : TowerKernel<CropConvolution<48, 4, 2, 64, 3, 8, 1, kPoints>> {};
struct LnetDense1 : LayerKernel<CropDense<2880, 256, 4, 20>> {};
struct LnetDense1Sum : LayerKernel<CropDenseSum<256, 20>> {};
struct LnetDense2 : LayerKernel<CropDense<256, 320, 4, 4>> {};
struct LnetDense2Sum : LayerKernel<CropDenseSum<320, 4>> {};
struct LnetHeads : HeadsKernel<float, 320, 10> {};

}  // namespace trtmtcnn::cuda
