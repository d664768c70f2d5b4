// The CPU: OpenVINO for the networks, a thread pool for what lies between them.
#pragma once

#include "cpu/openvino.h"
#include "cpu/thread_pool.h"
#include "device.h"

namespace trtmtcnn::cpu {

class CpuDevice : public Device {
 public:
  // `openvino_library`: the path of libopenvino_c. `threads`: 0 is one a core.
  CpuDevice(const std::string& openvino_library, int threads);

  std::string runtime() const override { return "OpenVINO " + openvino_->version(); }
  std::shared_ptr<Engine> load_engine(std::span<const char> bytes, const std::string& precision) override {
    return openvino_->compile(bytes, {precision, threads_});
  }
  std::unique_ptr<Backend> backend() override;
  int threads() const { return pool_->threads(); }

 private:
  std::shared_ptr<OpenVino> openvino_;
  std::shared_ptr<ThreadPool> pool_;
  int threads_;
};

}  // namespace trtmtcnn::cpu
