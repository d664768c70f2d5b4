// An engine of a GPU's own kernels: the network's weights in its memory, shared by all that run it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/nets/crop_net.h"
#include "cuda/nets/packed_weights.h"
#include "cuda/nets/pnet_layers.h"
#include "cuda/nets/pnet_plan.h"
#include "cuda/staging.h"
#include "engine.h"
#include "nets/network.h"
#include "nets/tensors.h"

namespace trtmtcnn::cuda {

// Runs a network on arrays in the host's memory.
template <typename Runtime>
class NetContext final : public Context {
 public:
  template <typename... Arguments>
  NetContext(std::shared_ptr<const Engine> engine, Arguments&&... arguments)
      : engine_(std::move(engine)), net_(*engine_->device_net()), runtime_(std::forward<Arguments>(arguments)...) {
    plan_.blocks = layers_.blocks();
  }

  const std::vector<Shape>& output_shapes(const Shape& input) override {
    engine_->check_input(input);
    shapes_ = output_shapes_of(net_.net, input);
    return shapes_;
  }

  void infer(const Shape& shape, const float* input, std::span<float* const> outputs) override {
    const typename Runtime::Current current(runtime_);
    try {
      enqueue(shape, input, outputs);
      runtime_.synchronize();
    } catch (...) {
      wait();  // the arrays are the caller's again
      throw;
    }
  }

 private:
  void enqueue(const Shape& shape, const float* input, std::span<float* const> outputs) {
    engine_->check_input(shape);
    const auto floats = static_cast<size_t>(volume(shape));
    planes_.reserve(floats);
    runtime_.upload(planes_.data(), input, floats * sizeof(float));
    if (net_.net == Net::kPnet) return pnet(shape, outputs);
    for (int64_t first = 0; first < shape[0]; first += crops_.most_crops())
      crops(shape, static_cast<int>(first), static_cast<int>(std::min<int64_t>(shape[0] - first, crops_.most_crops())),
            outputs);
  }

  void pnet(const Shape& shape, std::span<float* const> outputs) {
    const Size size{static_cast<int>(shape[2]), static_cast<int>(shape[3])};
    plan_.set(static_cast<int>(shape[0]), size);
    const auto [tiles, pixels, pooled, map, cells] =
        staging_.upload(description_, std::span<const PnetTile>(plan_.tiles), std::span<const int>(plan_.pixel_starts),
                        std::span<const int>(plan_.pooled_starts), std::span<const int>(plan_.map_starts),
                        std::span<const int>(plan_.cell_starts));
    for (const PnetChunk& chunk : plan_.chunks) {
      const PnetTiles at = plan_.at(chunk, tiles, pixels, pooled, map, cells);
      layers_.reserve(at.pixels, at.pooled, at.map_pixels);
      interleave(planes_.data(), size.height * size.width, at.pixels, layers_.pixels());
      layers_.run(at);
      const std::vector<Shape> shapes = output_shapes_of(net_.net, shape);
      prob_.reserve(static_cast<size_t>(volume(shapes[0])));
      regression_.reserve(static_cast<size_t>(volume(shapes[1])));
      layers_.outputs(at, {prob_.data(), regression_.data()});
      download(outputs[0], prob_.data(), volume(shapes[0]));
      download(outputs[1], regression_.data(), volume(shapes[1]));
    }
  }

  void crops(const Shape& shape, int first, int n, std::span<float* const> outputs) {
    const int64_t plane = shape[2] * shape[3], pictures = shape[1] / 3;
    const NetInput pixels = crops_.input(n);
    interleave(planes_.data() + first * shape[1] * plane, static_cast<int>(plane), n * pictures * plane, pixels);
    const HeadOutputs found = crops_.run({nullptr, 0, n, 0});
    size_t i = 0;
    for (const float* from : {found.prob, found.regression, found.landmarks}) {
      if (!from) continue;
      const int64_t channels = engine_->outputs()[i].shape[1];
      download(outputs[i++] + first * channels, from, n * channels);
    }
  }

  void interleave(const float* planes, int plane, int64_t pixels, const NetInput& to) {
    runtime_.for_each(pixels, InterleavePlanes{planes, plane, to});
  }

  void download(float* to, const float* from, int64_t floats) {
    runtime_.download(to, from, static_cast<size_t>(floats) * sizeof(float));
  }

  void wait() noexcept {
    try {
      runtime_.synchronize();
    } catch (...) {  // then nothing runs any more
    }
  }

  std::shared_ptr<const Engine> engine_;
  const DeviceNet& net_;
  Runtime runtime_;  // what follows lives in its memory
  Staging<Runtime> staging_{runtime_};
  Buffer<Runtime, float> planes_{runtime_};
  PnetPlan plan_;
  Buffer<Runtime, std::byte> description_{runtime_};
  PnetLayers<Runtime> layers_{runtime_, net_};
  CropNet<Runtime> crops_{runtime_, net_};
  Buffer<Runtime, float> prob_{runtime_}, regression_{runtime_};
  std::vector<Shape> shapes_;
};

template <typename Runtime>
class NetEngine final : public Engine, public std::enable_shared_from_this<NetEngine<Runtime>> {
 public:
  // half: it computes in float16; `gpu`: see DeviceNet; `arguments`: the runtime's.
  template <typename... Arguments>
  NetEngine(const Network& network, bool half, uint64_t gpu, const Arguments&... arguments)
      : input_(input_of(network)),
        outputs_(outputs_of(network.net)),
        runtime_(arguments...),
        make_context_([arguments...](std::shared_ptr<const Engine> engine) -> std::unique_ptr<Context> {
          return std::make_unique<NetContext<Runtime>>(std::move(engine), arguments...);
        }) {
    const typename Runtime::Current current(runtime_);
    const PackedWeights packed(network, half);
    const std::vector<std::byte>& bytes = packed.bytes();
    Buffer<Runtime, std::byte, true> pinned(runtime_);
    pinned.reserve(bytes.size());
    std::copy(bytes.begin(), bytes.end(), pinned.data());
    memory_.reserve(bytes.size());
    runtime_.upload(memory_.data(), pinned.data(), bytes.size());
    runtime_.synchronize();
    net_ = packed.at(memory_.data(), gpu);
  }

  const TensorInfo& input() const override { return input_; }
  const std::vector<TensorInfo>& outputs() const override { return outputs_; }
  // Takes and gives arrays in the host's memory: on the device, Pnet and CropNet run device_net().
  std::unique_ptr<Context> context() override { return make_context_(this->shared_from_this()); }
  const DeviceNet* device_net() const override { return &net_; }

 private:
  TensorInfo input_;
  std::vector<TensorInfo> outputs_;
  Runtime runtime_;  // what follows lives in its memory
  Buffer<Runtime, std::byte> memory_{runtime_};
  DeviceNet net_{};
  std::function<std::unique_ptr<Context>(std::shared_ptr<const Engine>)> make_context_;
};

}  // namespace trtmtcnn::cuda
