// R-Net, O-Net or L-Net over batches of crops, in kernels of our own.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cuda/buffer.h"
#include "cuda/kernels/crop_net.h"
#include "cuda/nets/device_net.h"
#include "head_outputs.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class CropNet {
 public:
  // `net`, which must outlive it, is in the runtime's memory.
  CropNet(Runtime& runtime, const DeviceNet& net) : runtime_(runtime), net_(net) {}

  // Crops that are worked on at once, at most, mirror images included: memory for maps is 0.1 to 0.4 MB each.
  int most_crops() const { return net_.net == Net::kRnet ? 1024 : 256; }

  // Room for n crops and their maps. Returns where the crops are to be: (n, side, side, 4), R, G, B and what is not
  // read; of L-Net n times five of them.
  float* input(int n) {
    const size_t side = facts(net_.net).side, pictures = input_channels(net_.net) / 3;
    crops_.reserve(4 * side * side * pictures * n);
    constexpr size_t kRnetMaps[] = {28 * 22 * 22, 28 * 11 * 11}, kOnetMaps[] = {32 * 46 * 46, 32 * 23 * 23};
    for (int i = 0; i < 2; ++i) maps_[i].reserve((net_.net == Net::kOnet ? kOnetMaps[i] : kRnetMaps[i]) * pictures * n);
    if (has_boxes(net_.net)) {
      prob_.reserve(size_t{2} * n);
      regression_.reserve(size_t{4} * n);
    }
    if (has_landmarks(net_.net)) landmarks_.reserve(size_t{kLandmarks} * n);
    return crops_.data();
  }

  // Enqueues the network over the crops of a batch in input(), which has room for them. Allocates nothing: it can be
  // captured.
  HeadOutputs run(const CropBatch& batch) {
    const HeadBuffers to{prob_.data(), regression_.data(), landmarks_.data()};
    if (net_.net == Net::kRnet)
      rnet(batch, to);
    else if (net_.net == Net::kOnet)
      onet(batch, to);
    else
      lnet(batch, to);
    return {to.prob, to.regression, to.landmarks, batch.flipped};
  }

 private:
  // More than a GPU runs at once; the rest are done by the same threads.
  static constexpr int kMostThreads = 1 << 19;

  void rnet(const CropBatch& batch, const HeadBuffers& to) {
    const auto& w = net_.layers;
    layer<RnetConv1>(batch, crops_.data(), w[0], maps_[0].data());
    layer<RnetPool1>(batch, maps_[0].data(), {}, maps_[1].data());
    layer<RnetConv2>(batch, maps_[1].data(), w[1], maps_[0].data());
    layer<RnetPool2>(batch, maps_[0].data(), {}, maps_[1].data());
    layer<RnetConv3>(batch, maps_[1].data(), w[2], maps_[0].data());
    layer<RnetDense>(batch, maps_[0].data(), w[3], maps_[1].data());
    layer<RnetDenseSum>(batch, maps_[1].data(), w[3], maps_[0].data());
    layer<RnetHeads>(batch, maps_[0].data(), net_.heads, nullptr, to);
  }

  void onet(const CropBatch& batch, const HeadBuffers& to) {
    const auto& w = net_.layers;
    layer<OnetConv1>(batch, crops_.data(), w[0], maps_[0].data());
    layer<OnetPool1>(batch, maps_[0].data(), {}, maps_[1].data());
    layer<OnetConv2>(batch, maps_[1].data(), w[1], maps_[0].data());
    layer<OnetPool2>(batch, maps_[0].data(), {}, maps_[1].data());
    layer<OnetConv3>(batch, maps_[1].data(), w[2], maps_[0].data());
    layer<OnetConv4>(batch, maps_[0].data(), w[3], maps_[1].data());
    layer<OnetDense>(batch, maps_[1].data(), w[4], maps_[0].data());
    layer<OnetDenseSum>(batch, maps_[0].data(), w[4], maps_[1].data());
    layer<OnetHeads>(batch, maps_[1].data(), net_.heads, nullptr, to);
  }

  void lnet(const CropBatch& batch, const HeadBuffers& to) {
    const auto& w = net_.layers;  // of a layer of the towers the first tower's, then the others'
    const auto stride = [&](int i) { return static_cast<int>(w[i + 1].weights - w[i].weights); };
    layer<LnetConv1>(batch, crops_.data(), w[0], maps_[0].data(), stride(0));
    layer<LnetPool1>(batch, maps_[0].data(), {}, maps_[1].data());
    layer<LnetConv2>(batch, maps_[1].data(), w[kPoints], maps_[0].data(), stride(kPoints));
    layer<LnetPool2>(batch, maps_[0].data(), {}, maps_[1].data());
    layer<LnetConv3>(batch, maps_[1].data(), w[2 * kPoints], maps_[0].data(), stride(2 * kPoints));
    layer<LnetDense1>(batch, maps_[0].data(), w[3 * kPoints], maps_[1].data());
    layer<LnetDense1Sum>(batch, maps_[1].data(), w[3 * kPoints], maps_[0].data());
    layer<LnetDense2>(batch, maps_[0].data(), w[3 * kPoints + 1], maps_[1].data());
    layer<LnetDense2Sum>(batch, maps_[1].data(), w[3 * kPoints + 1], maps_[0].data());
    layer<LnetHeads>(batch, maps_[0].data(), net_.heads, nullptr, to);
  }

  template <typename Kernel, typename... More>
  void layer(const CropBatch& batch, const float* in, const LayerWeights& weights, float* out, const More&... more) {
    const int views = batch.flipped ? 2 * batch.most : batch.most;
    const int threads = std::min(Kernel::Layer::threads(views), kMostThreads);
    runtime_.for_each(threads, Kernel{{batch, threads, in, weights, out}, more...});
  }

  Runtime& runtime_;
  const DeviceNet& net_;
  Buffer<Runtime, float> crops_{runtime_};
  Buffer<Runtime, float> maps_[2] = {Buffer<Runtime, float>(runtime_), Buffer<Runtime, float>(runtime_)};
  Buffer<Runtime, float> prob_{runtime_}, regression_{runtime_}, landmarks_{runtime_};
};

}  // namespace trtmtcnn::cuda
