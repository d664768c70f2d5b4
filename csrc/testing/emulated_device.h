// The GPU backend's code on the CPU, for tests on machines without a GPU: its kernels run as loops, the networks as
// kernels, too, or as on a CPU, in TensorRT's place. Plainly, its memory is the host's and all is done at once; with a
// GpuModel, as a GPU and its streams would.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "cpu/cpu_device.h"
#include "testing/gpu_model.h"
#include "testing/operations.h"

namespace trtmtcnn::testing {

class EmulatedDevice final : public cpu::CpuDevice {
 public:
  // `gpu` may be null: plainly. `kernels`: whether the networks are kernels; those that have none are refused.
  EmulatedDevice(std::string openvino_library, int threads, std::shared_ptr<GpuModel> gpu, bool kernels)
      : CpuDevice(std::move(openvino_library), threads), gpu_(std::move(gpu)), kernels_(kernels) {}

  std::string flavour() const override { return kernels_ ? "cuda" : CpuDevice::flavour(); }
  std::string runtime() const override { return kernels_ ? "CUDA kernels, emulated" : CpuDevice::runtime(); }
  int ordinal() const override { return 0; }
  std::shared_ptr<Engine> load_engine(std::span<const char> bytes, const std::string& precision) override;
  std::unique_ptr<Backend> backend(Engines engines) override;
  std::unique_ptr<Context> host_context(Engine& engine) override;
  std::unique_ptr<Operations> operations();

 private:
  void check_place(const Engine& engine) const;
  uint64_t gpu_number() const { return reinterpret_cast<uintptr_t>(gpu_.get()); }

  std::shared_ptr<GpuModel> gpu_;
  bool kernels_;
};

}  // namespace trtmtcnn::testing
