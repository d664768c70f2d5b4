#include "cpu/nets/native_engine.h"

#include <algorithm>
#include <map>
#include <utility>

#include "cpu/kernels.h"
#include "cpu/nets/bfloat16.h"
#include "cpu/nets/pnet_rows.h"
#include "head_outputs.h"
#include "nets/tensors.h"
#include "networks.h"

namespace trtmtcnn::cpu {
namespace {

// (3, n) planes to (n, 3) pixels.
void interleave(const float* planes, int64_t plane, int n, float* pixels) {
  for (int i = 0; i < n; ++i)
    for (int c = 0; c < 3; ++c) pixels[3 * i + c] = planes[c * plane + i];
}

// Takes and gives what the ONNX file does, (n, c, h, w): for callers that run a network by itself.
class NativeContext final : public Context {
 public:
  explicit NativeContext(std::shared_ptr<NativeEngine> engine)
      : engine_(std::move(engine)), workers_(engine_->pool().threads()) {}

  const std::vector<Shape>& output_shapes(const Shape& input) override {
    const auto found = shapes_.find(input);
    if (found != shapes_.end()) return found->second;
    engine_->check_input(input);
    return shapes_.emplace(input, output_shapes_of(engine_->net().net(), input)).first->second;
  }

  void infer(const Shape& shape, const float* input, std::span<float* const> outputs) override {
    const Shape out = output_shapes(shape)[0];
    if (engine_->net().net() != Net::kPnet) return crops(shape, input, outputs);
    for (int64_t i = 0; i < shape[0]; ++i) {
      const int64_t cells = out[2] * out[3];
      picture(shape, input + i * 3 * shape[2] * shape[3], out, outputs[0] + i * 2 * cells, outputs[1] + i * 4 * cells);
    }
  }

 private:
  struct Worker {
    PnetRows pnet;
    CropNet net;
    std::vector<float> heads;
    AlignedVector<float> crops;
  };

  void picture(const Shape& shape, const float* planes, const Shape& out, float* prob, float* boxes) {
    const int height = static_cast<int>(shape[2]), width = static_cast<int>(shape[3]);
    const int64_t plane = shape[2] * shape[3], cells = out[2] * out[3];
    engine_->pool().parallel_for(static_cast<int>(out[2]), 32, [&](int first, int last, int w) {
      Worker& worker = workers_[w];
      worker.heads.resize(std::max(worker.heads.size(), static_cast<size_t>(out[3]) * kHeads));
      const auto draw = [&](int y, float* row) { interleave(planes + int64_t{y} * width, plane, width, row); };
      const auto take = [&](int y, int n, const float*, const float* features) {
        engine_->net().kernels().pnet_heads(engine_->net().heads(), features, n, worker.heads.data());
        for (int x = 0; x < n; ++x) {
          const float* h = &worker.heads[size_t{kHeads} * x];
          const int64_t at = out[3] * y + x;
          prob[cells + at] = face_probability(h[1] - h[0]);
          prob[at] = 1 - prob[cells + at];
          for (int k = 0; k < 4; ++k) boxes[k * cells + at] = h[2 + k];
        }
      };
      worker.pnet.run(engine_->net(), width - 2, height - 2, first, last, draw, take);
    });
  }

  void crops(const Shape& shape, const float* input, std::span<float* const> outputs) {
    const PackedNet& net = engine_->net();
    const int side = facts(net.net()).side, pictures = input_channels(net.net()) / 3;  // in an image
    const int64_t plane = int64_t{side} * side;
    const int batch = net.kernels().batch;
    engine_->pool().parallel_for(static_cast<int>(shape[0]), batch, [&](int begin, int end, int w) {
      Worker& worker = workers_[w];
      worker.crops.resize(3 * plane * pictures * batch + kOverrun);
      worker.heads.resize(std::max(worker.heads.size(), size_t{kHeads} * batch));
      for (int first = begin; first < end; first += batch) {
        const int n = std::min(batch, end - first);
        for (int i = 0; i < n * pictures; ++i)
          interleave(input + (int64_t{first} * pictures + i) * 3 * plane, plane, static_cast<int>(plane),
                     &worker.crops[i * 3 * plane]);
        worker.net.run(net, worker.crops.data(), n, worker.heads.data());
        for (int i = 0; i < n; ++i) {
          const float* from = &worker.heads[size_t{kHeads} * i];
          for (size_t o = 0; o < outputs.size(); ++o) {
            const int64_t channels = engine_->outputs()[o].shape[1];
            std::copy(from, from + channels, outputs[o] + (first + i) * channels);
            from += channels;
          }
        }
      }
    });
  }

  std::shared_ptr<NativeEngine> engine_;
  std::vector<Worker> workers_;
  std::map<Shape, std::vector<Shape>> shapes_;
};

}  // namespace

std::shared_ptr<NativeEngine> NativeEngine::load(std::span<const char> onnx, const std::string& precision,
                                                 std::shared_ptr<ThreadPool> pool) {
  if (precision == "f16") return nullptr;
  const std::optional<Network> network = read_network(onnx);
  if (!network) return nullptr;
  const NetKernels* kernels = precision == "bf16" ? bfloat16_kernels().kernels : &net_kernels();
  if (network->net == Net::kLnet && !kernels->lnet) kernels = &net_kernels();
  if (kernels->float16 && !PackedNet::fits_float16(*network)) kernels = &net_kernels();
  return std::make_shared<NativeEngine>(*network, *kernels, std::move(pool));
}

std::string NativeEngine::runtime() { return std::string("native kernels (") + kernels().isa + ")"; }

NativeEngine::NativeEngine(const Network& network, const NetKernels& kernels, std::shared_ptr<ThreadPool> pool)
    : net_(network, kernels), pool_(std::move(pool)), input_(input_of(network)), outputs_(outputs_of(network.net)) {}

std::unique_ptr<Context> NativeEngine::context() { return std::make_unique<NativeContext>(shared_from_this()); }

void CropNet::run(const PackedNet& net, const float* crops, int n, float* out) {
  const bool rnet = net.net() == Net::kRnet, lnet = net.net() == Net::kLnet;
  const auto& kernels = net.kernels();
  const size_t bytes = lnet                   ? lnet_scratch(n)
                       : kernels.crop_scratch ? kernels.crop_scratch(rnet, n)
                       : rnet                 ? rnet_scratch(n)
                                              : onet_scratch(n);
  if (scratch_.size() < bytes) scratch_.resize(bytes);
  {
    const KernelSession session(kernels);
    (rnet ? kernels.rnet : lnet ? kernels.lnet : kernels.onet)(net.convs(), crops, n, scratch_.data(), out);
  }
  if (lnet) return;
  for (int i = 0; i < n; ++i, out += kHeads) {
    out[1] = face_probability(out[1] - out[0]);
    out[0] = 1 - out[1];
  }
}

}  // namespace trtmtcnn::cpu
