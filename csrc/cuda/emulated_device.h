// The GPU backend's code on the CPU, for tests on machines without a GPU: its kernels run as loops, the
// networks on OpenVINO.
#pragma once

#include "cpu/cpu_device.h"

namespace trtmtcnn::cuda {

class EmulatedDevice final : public cpu::CpuDevice {
 public:
  using CpuDevice::CpuDevice;
  std::unique_ptr<Backend> backend() override;
};

}  // namespace trtmtcnn::cuda
