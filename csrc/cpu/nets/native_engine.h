// The CPU engine of our own: the networks, each written out for the machine's vectors.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cpu/nets/packed_net.h"
#include "engine.h"
#include "runtime/aligned.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cpu {

class NativeEngine final : public Engine, public std::enable_shared_from_this<NativeEngine> {
 public:
  // Null where the file is none of the networks, or the precision is f16, which has no kernels.
  static std::shared_ptr<NativeEngine> load(std::span<const char> onnx, const std::string& precision,
                                            std::shared_ptr<ThreadPool> pool);
  static std::string runtime();

  NativeEngine(const Network& network, const NetKernels& kernels, std::shared_ptr<ThreadPool> pool);

  const TensorInfo& input() const override { return input_; }
  const std::vector<TensorInfo>& outputs() const override { return outputs_; }
  std::unique_ptr<Context> context() override;

  const PackedNet* native_net() const override { return &net_; }
  const PackedNet& net() const { return net_; }
  ThreadPool& pool() const { return *pool_; }

 private:
  PackedNet net_;
  std::shared_ptr<ThreadPool> pool_;
  TensorInfo input_;
  std::vector<TensorInfo> outputs_;
};

// R-Net, O-Net or L-Net for one thread at a time.
class CropNet {
 public:
  // crops: n of (side, side, 3), of L-Net n times five, and kOverrun more, which the caller keeps finite; out: (n,
  // kHeads), the first two made probabilities where the network has some.
  void run(const PackedNet& net, const float* crops, int n, float* out);

 private:
  AlignedVector<std::byte> scratch_;
};

}  // namespace trtmtcnn::cpu
