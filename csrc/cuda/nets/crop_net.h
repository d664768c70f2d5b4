// R-Net, O-Net or L-Net over batches of crops, in kernels of our own.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cuda/buffer.h"
#include "cuda/kernels/crop_net.h"
#include "cuda/kernels/crop_net_fp16.h"
#include "cuda/kernels/net_input.h"
#include "cuda/nets/device_net.h"
#include "cuda/nets/tile_layout.h"
#include "head_outputs.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class CropNet {
 public:
  // `net`, which must outlive it, is in the runtime's memory.
  CropNet(Runtime& runtime, const DeviceNet& net) : runtime_(runtime), net_(net), half_(net.is_half()) {}

  // Crops that are worked on at once, at most, mirror images included: memory for maps is 0.1 to 0.4 MB each.
  int most_crops() const { return net_.net == Net::kRnet ? 1024 : 256; }

  // Room for n crops and their maps. Returns where the crops are to be; of L-Net n times five of them.
  NetInput input(int n) {
    const size_t side = facts(net_.net).side, pictures = input_channels(net_.net) / 3;
    const bool is_split = half_ && is_split_in_half(net_.net);
    const size_t value = !half_ ? sizeof(float) : is_split ? sizeof(TwoHalves) : sizeof(Half);
    crops_.reserve(4 * value * side * side * pictures * n);
    constexpr size_t kRnetMaps[] = {28 * 22 * 22, 28 * 11 * 11}, kOnetMaps[] = {32 * 46 * 46, 32 * 23 * 23};
    constexpr size_t kHalfRnetMaps[] = {tile_map(28, 22), tile_map(28, 11)};
    const auto& maps = net_.net == Net::kOnet ? kOnetMaps : (half_ ? kHalfRnetMaps : kRnetMaps);
    for (int i = 0; i < 2; ++i) maps_[i].reserve(maps[i] * value * pictures * n);
    if (has_boxes(net_.net)) {
      prob_.reserve(size_t{2} * n);
      regression_.reserve(size_t{4} * n);
    }
    if (has_landmarks(net_.net)) landmarks_.reserve(size_t{kLandmarks} * n);
    return {crops_.data(), !half_     ? InputLayout::kPixels
                           : is_split ? InputLayout::kSplitPixels
                                      : InputLayout::kHalfPixels};
  }

  // Enqueues the network over the crops of a batch in input(), which has room for them. Allocates nothing: it can be
  // captured.
  HeadOutputs run(const CropBatch& batch) {
    const HeadBuffers to{prob_.data(), regression_.data(), landmarks_.data()};
    if (net_.net == Net::kRnet)
      half_ ? rnet_fp16(batch, to) : rnet(batch, to);
    else if (net_.net == Net::kOnet)
      half_ ? onet_fp16(batch, to) : onet(batch, to);
    else
      half_ ? lnet_fp16(batch, to) : lnet(batch, to);
    return {to.prob, to.regression, to.landmarks, batch.flipped};
  }

 private:
  // More than a GPU runs at once; the rest are done by the same ones.
  static constexpr int kMostThreads = 1 << 19, kMostWarps = 1 << 13;
  using Memory = Buffer<Runtime, std::byte>;

  void rnet(const CropBatch& batch, const HeadBuffers& to) {
    const auto& w = net_.layers;
    layer<RnetConv1>(batch, crops_, w[0], maps_[0], 0);
    layer<RnetPool1>(batch, maps_[0], {}, maps_[1]);
    layer<RnetConv2>(batch, maps_[1], w[1], maps_[0], 0);
    layer<RnetPool2>(batch, maps_[0], {}, maps_[1]);
    layer<RnetConv3>(batch, maps_[1], w[2], maps_[0], 0);
    layer<RnetDense>(batch, maps_[0], w[3], maps_[1]);
    layer<RnetDenseSum>(batch, maps_[1], w[3], maps_[0]);
    heads<RnetHeads>(batch, in<float>(maps_[0]), to);
  }

  void onet(const CropBatch& batch, const HeadBuffers& to) {
    const auto& w = net_.layers;
    layer<OnetConv1>(batch, crops_, w[0], maps_[0], 0);
    layer<OnetPool1>(batch, maps_[0], {}, maps_[1]);
    layer<OnetConv2>(batch, maps_[1], w[1], maps_[0], 0);
    layer<OnetPool2>(batch, maps_[0], {}, maps_[1]);
    layer<OnetConv3>(batch, maps_[1], w[2], maps_[0], 0);
    layer<OnetConv4>(batch, maps_[0], w[3], maps_[1], 0);
    layer<OnetDense>(batch, maps_[1], w[4], maps_[0]);
    layer<OnetDenseSum>(batch, maps_[0], w[4], maps_[1]);
    heads<OnetHeads>(batch, in<float>(maps_[1]), to);
  }

  void lnet(const CropBatch& batch, const HeadBuffers& to) {
    const auto& w = net_.layers;  // of a layer of the towers the first tower's, then the others'
    const auto stride = [&](int i) { return static_cast<int>(w[i + 1].weights - w[i].weights); };
    layer<LnetConv1>(batch, crops_, w[0], maps_[0], stride(0));
    layer<LnetPool1>(batch, maps_[0], {}, maps_[1]);
    layer<LnetConv2>(batch, maps_[1], w[kPoints], maps_[0], stride(kPoints));
    layer<LnetPool2>(batch, maps_[0], {}, maps_[1]);
    layer<LnetConv3>(batch, maps_[1], w[2 * kPoints], maps_[0], stride(2 * kPoints));
    layer<LnetDense1>(batch, maps_[0], w[3 * kPoints], maps_[1]);
    layer<LnetDense1Sum>(batch, maps_[1], w[3 * kPoints], maps_[0]);
    layer<LnetDense2>(batch, maps_[0], w[3 * kPoints + 1], maps_[1]);
    layer<LnetDense2Sum>(batch, maps_[1], w[3 * kPoints + 1], maps_[0]);
    heads<LnetHeads>(batch, in<float>(maps_[0]), to);
  }

  void rnet_fp16(const CropBatch& batch, const HeadBuffers& to) {
    tiles<RnetConv1Fp16>(batch, crops_, 0, maps_[0]);
    pool<RnetPool1Fp16>(batch, maps_[0], maps_[1]);
    tiles<RnetConv2Fp16>(batch, maps_[1], 1, maps_[0]);
    pool<RnetPool2Fp16>(batch, maps_[0], maps_[1]);
    tiles<RnetConv3Fp16>(batch, maps_[1], 2, maps_[0]);
    tiles<RnetDenseFp16>(batch, maps_[0], 3, maps_[1]);
    heads<RnetHeads>(batch, in<float>(maps_[1]), to);
  }

  void onet_fp16(const CropBatch& batch, const HeadBuffers& to) {
    tiles<OnetConv1Fp16>(batch, crops_, 0, maps_[0]);
    pool<OnetPool1Fp16>(batch, maps_[0], maps_[1]);
    tiles<OnetConv2Fp16>(batch, maps_[1], 1, maps_[0]);
    pool<OnetPool2Fp16>(batch, maps_[0], maps_[1]);
    tiles<OnetConv3Fp16>(batch, maps_[1], 2, maps_[0]);
    tiles<OnetConv4Fp16>(batch, maps_[0], 3, maps_[1]);
    tiles<OnetDenseFp16>(batch, maps_[1], 4, maps_[0]);
    heads<OnetHeads>(batch, in<float>(maps_[0]), to);
  }

  void lnet_fp16(const CropBatch& batch, const HeadBuffers& to) {
    tiles<LnetConv1Fp16>(batch, crops_, 0, maps_[0]);
    pool<LnetPool1Fp16>(batch, maps_[0], maps_[1]);
    tiles<LnetConv2Fp16>(batch, maps_[1], kPoints, maps_[0]);
    pool<LnetPool2Fp16>(batch, maps_[0], maps_[1]);
    tiles<LnetConv3Fp16>(batch, maps_[1], 2 * kPoints, maps_[0]);
    tiles<LnetDense1Fp16>(batch, maps_[0], 3 * kPoints, maps_[1]);
    tiles<LnetDense2Fp16>(batch, maps_[1], 3 * kPoints + 1, maps_[0]);
    heads<LnetHeadsFp16>(batch, in<Half>(maps_[0]), to);
  }

  template <typename Value>
  static Value* in(const Memory& memory) {
    return reinterpret_cast<Value*>(memory.data());
  }

  static int views(const CropBatch& batch) { return batch.flipped ? 2 * batch.most : batch.most; }

  template <typename Kernel, typename... More>
  void layer(const CropBatch& batch, const Memory& from, const LayerWeights& weights, const Memory& to,
             const More&... more) {
    const int threads = std::min(Kernel::Layer::threads(views(batch)), kMostThreads);
    runtime_.for_each(threads, Kernel{{{batch, threads, in<float>(from), weights, in<float>(to)}, more...}});
  }

  // Layer i; of the towers' the first tower's, where the others' follow.
  template <typename Kernel>
  void tiles(const CropBatch& batch, const Memory& from, int i, const Memory& to) {
    const HalfLayer& weights = net_.half_layers[i];
    TowerStride stride{};
    if (Kernel::Layer::kTowerCount > 1) {
      const HalfLayer& next = net_.half_layers[i + 1];
      stride = {next.weights - weights.weights, next.bias - weights.bias};
    }
    const int warps = std::min(Kernel::Layer::workers(views(batch)), kMostWarps);
    runtime_.for_each_warp(warps, Kernel{{{batch, warps, from.data(), weights, to.data()}, stride}});
  }

  template <typename Kernel>
  void pool(const CropBatch& batch, const Memory& from, const Memory& to) {
    const int threads = std::min(Kernel::Layer::workers(views(batch)), kMostThreads);
    runtime_.for_each(threads, Kernel{{{batch, threads, from.data(), {}, to.data()}}});
  }

  template <typename Kernel, typename Value>
  void heads(const CropBatch& batch, const Value* from, const HeadBuffers& to) {
    const int threads = std::min(Kernel::Layer::threads(views(batch)), kMostThreads);
    runtime_.for_each(threads, Kernel{{batch, threads, from, net_.heads, to}});
  }

  Runtime& runtime_;
  const DeviceNet& net_;
  bool half_;
  Memory crops_{runtime_};
  Memory maps_[2] = {Memory(runtime_), Memory(runtime_)};
  Buffer<Runtime, float> prob_{runtime_}, regression_{runtime_}, landmarks_{runtime_};
};

}  // namespace trtmtcnn::cuda
