#include "cpu/cpu_device.h"

#include <sched.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"
#include "cpu/nets/native_engine.h"

namespace trtmtcnn::cpu {
namespace {

int usable_cores() {
  cpu_set_t set;  // what a container or taskset leaves us, not what the machine has
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

CpuDevice::CpuDevice(std::string openvino_library, int threads, bool native)
    : openvino_library_(std::move(openvino_library)),
      pool_(std::make_shared<ThreadPool>(threads > 0 ? threads : usable_cores())),
      threads_(threads),
      native_(native) {
  kernels();  // refuses here what no worker thread could
  if (!native_) OpenVino::load(openvino_library_);
}

std::string CpuDevice::runtime() const {
  return native_ ? NativeEngine::runtime() : "OpenVINO " + OpenVino::load(openvino_library_)->version();
}

std::shared_ptr<Engine> CpuDevice::load_engine(std::span<const char> bytes, const std::string& precision) {
  if (native_)
    if (auto engine = NativeEngine::load(bytes, precision, pool_)) return engine;
  return OpenVino::load(openvino_library_)->compile(bytes, {precision, threads_});
}

std::unique_ptr<Backend> CpuDevice::backend() { return std::make_unique<CpuBackend>(pool_); }

}  // namespace trtmtcnn::cpu
