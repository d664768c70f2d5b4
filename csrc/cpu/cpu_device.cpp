#include "cpu/cpu_device.h"

#include <utility>

#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"
#include "cpu/nets/native_engine.h"
#include "runtime/cores.h"

namespace trtmtcnn::cpu {

CpuDevice::CpuDevice(std::string openvino_library, int threads, bool native)
    : openvino_library_(std::move(openvino_library)),
      pool_(std::make_shared<ThreadPool>(threads > 0 ? threads : usable_cores())),
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
  return OpenVino::load(openvino_library_)->compile(bytes, {precision, threads()});
}

std::unique_ptr<Backend> CpuDevice::backend(Engines engines) {
  return std::make_unique<CpuBackend>(pool_, std::move(engines));
}

}  // namespace trtmtcnn::cpu
