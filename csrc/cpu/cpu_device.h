// The CPU: kernels of our own for MTCNN's three networks, OpenVINO for any other.
#pragma once

#include <memory>
#include <string>

#include "cpu/openvino.h"
#include "device.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cpu {

class CpuDevice : public Device {
 public:
  // `openvino_library`: the path of libopenvino_c, loaded when first needed; empty: there is none.
  // `threads`: 0 is one a usable core.
  // `native`: whether to use our own kernels where they fit; else OpenVINO runs all networks.
  CpuDevice(std::string openvino_library, int threads, bool native = true);

  std::string runtime() const override;
  std::shared_ptr<Engine> load_engine(std::span<const char> bytes, const std::string& precision) override;
  std::unique_ptr<Backend> backend(Engines engines) override;
  int threads() const override { return pool_->threads(); }
  const std::shared_ptr<ThreadPool>& pool() const { return pool_; }

 private:
  std::string openvino_library_;
  std::shared_ptr<ThreadPool> pool_;
  bool native_;
};

}  // namespace trtmtcnn::cpu
