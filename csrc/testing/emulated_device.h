// The GPU backend's code on the CPU, for tests on machines without a GPU: its kernels run as loops, its memory is the
// host's, the networks run as on a CPU.
#pragma once

#include "cpu/cpu_device.h"

namespace trtmtcnn::testing {

class EmulatedDevice final : public cpu::CpuDevice {
 public:
  using CpuDevice::CpuDevice;
  int ordinal() const override { return 0; }
  std::unique_ptr<Backend> backend(Engines engines) override;
  std::unique_ptr<Context> host_context(Engine& engine) override;
};

}  // namespace trtmtcnn::testing
