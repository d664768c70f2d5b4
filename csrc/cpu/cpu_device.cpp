#include "cpu/cpu_device.h"

#include <sched.h>

#include <algorithm>

#include "cpu/cpu_backend.h"

namespace trtmtcnn::cpu {
namespace {

int usable_cores() {
  cpu_set_t set;  // what a container or taskset leaves us, not what the machine has
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

CpuDevice::CpuDevice(const std::string& openvino_library, int threads)
    : openvino_(OpenVino::load(openvino_library)),
      pool_(std::make_shared<ThreadPool>(threads > 0 ? threads : usable_cores())),
      threads_(threads) {}

std::unique_ptr<Backend> CpuDevice::backend() { return std::make_unique<CpuBackend>(pool_); }

}  // namespace trtmtcnn::cpu
