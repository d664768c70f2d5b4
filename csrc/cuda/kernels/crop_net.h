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

  TRTMTCNN_HD static void run(const CropLayer& layer, const HeadBuffers& to, int thread) {
    const int views = layer.batch.views(), items = views * kOutputs;
    for (int item = thread; item < items; item += layer.threads) {
      const int crop = layer.batch.place(item / kOutputs, views), output = item % kOutputs;
      const float* features = layer.in + static_cast<ptrdiff_t>(crop) * kIn;
      float sums[4] = {layer.weights.bias[output], 0, 0, 0};
      for (int f = 0; f < kIn; f += 4) {
        const Four four = load_four(features + f);
        TRTMTCNN_UNROLL
        for (int k = 0; k < 4; ++k) sums[k] += four.at[k] * layer.weights.weights[(f + k) * kHeads + output];
      }
      to.write(crop, output, sums[0] + sums[1] + (sums[2] + sums[3]));
    }
  }
};

// R-Net: 24x24 pixels.
struct RnetConv1 {
  using Layer = CropConvolution<3, 24, 3, 28, 2, 28>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, 0, i); }
};
struct RnetPool1 {
  using Layer = CropPool<28, 22>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct RnetConv2 {
  using Layer = CropConvolution<28, 11, 3, 48, 3, 16>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, 0, i); }
};
struct RnetPool2 {
  using Layer = CropPool<48, 9>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct RnetConv3 {
  using Layer = CropConvolution<48, 4, 2, 64, 3, 8>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, 0, i); }
};
struct RnetDense {
  using Layer = CropDense<576, 128, 8, 8>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct RnetDenseSum {
  using Layer = CropDenseSum<128, 8>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct RnetHeads {
  using Layer = CropHeads<128, 6>;
  CropLayer layer;
  HeadBuffers to;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, to, i); }
};

// O-Net: 48x48 pixels.
struct OnetConv1 {
  using Layer = CropConvolution<3, 48, 3, 32, 2, 32>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, 0, i); }
};
struct OnetPool1 {
  using Layer = CropPool<32, 46>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct OnetConv2 {
  using Layer = CropConvolution<32, 23, 3, 64, 3, 16>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, 0, i); }
};
struct OnetPool2 {
  using Layer = CropPool<64, 21>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct OnetConv3 {
  using Layer = CropConvolution<64, 10, 3, 64, 2, 4, 2>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, 0, i); }
};
struct OnetConv4 {
  using Layer = CropConvolution<64, 4, 2, 128, 3, 4>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, 0, i); }
};
struct OnetDense {
  using Layer = CropDense<1152, 256, 4, 16>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct OnetDenseSum {
  using Layer = CropDenseSum<256, 16>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct OnetHeads {
  using Layer = CropHeads<256, 16>;
  CropLayer layer;
  HeadBuffers to;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, to, i); }
};

// L-Net: R-Net's convolutions over five crops of 24x24 pixels, each with weights of its own.
struct LnetConv1 {
  using Layer = CropConvolution<3, 24, 3, 28, 2, 28, 1, kPoints>;
  CropLayer layer;
  int tower_stride;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, tower_stride, i); }
};
struct LnetPool1 {
  using Layer = CropPool<28, 22, kPoints>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct LnetConv2 {
  using Layer = CropConvolution<28, 11, 3, 48, 3, 16, 1, kPoints>;
  CropLayer layer;
  int tower_stride;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, tower_stride, i); }
};
struct LnetPool2 {
  using Layer = CropPool<48, 9, kPoints>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct LnetConv3 {
  using Layer = CropConvolution<48, 4, 2, 64, 3, 8, 1, kPoints>;
  CropLayer layer;
  int tower_stride;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, tower_stride, i); }
};
struct LnetDense1 {
  using Layer = CropDense<2880, 256, 4, 20>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct LnetDense1Sum {
  using Layer = CropDenseSum<256, 20>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct LnetDense2 {
  using Layer = CropDense<256, 320, 4, 4>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct LnetDense2Sum {
  using Layer = CropDenseSum<320, 4>;
  CropLayer layer;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, i); }
};
struct LnetHeads {
  using Layer = CropHeads<320, 10>;
  CropLayer layer;
  HeadBuffers to;
  TRTMTCNN_HD void operator()(int i) const { Layer::run(layer, to, i); }
};

}  // namespace trtmtcnn::cuda
