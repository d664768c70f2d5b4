#include "runtime/cuda_driver.h"

#include <memory>

#include "error.h"
#include "runtime/shared_library.h"

namespace trtmtcnn {
namespace {

// Of cuda.h: CUdevice_attribute and CUresult.
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;
constexpr int kNoDevice = 100;

#ifdef _WIN32
constexpr const char* kDriverLibrary = "nvcuda.dll";
#else
constexpr const char* kDriverLibrary = "libcuda.so.1";
#endif

}  // namespace

DriverReport ask_driver() {
  DriverReport report;
  std::unique_ptr<SharedLibrary> library;
  try {
    library = std::make_unique<SharedLibrary>(kDriverLibrary);
  } catch (const DeviceError&) {
    report.problem = std::string("there is no NVIDIA driver on this machine (") + kDriverLibrary + " is missing)";
    return report;
  }
  int (*init)(unsigned) = nullptr;
  int (*driver_version)(int*) = nullptr;
  int (*device_count)(int*) = nullptr;
  int (*device_get)(int*, int) = nullptr;
  int (*device_name)(char*, int, int) = nullptr;
  int (*device_attribute)(int*, int, int) = nullptr;
  int (*device_memory)(size_t*, int) = nullptr;
  library->bind(init, "cuInit");
  library->bind(driver_version, "cuDriverGetVersion");
  library->bind(device_count, "cuDeviceGetCount");
  library->bind(device_get, "cuDeviceGet");
  library->bind(device_name, "cuDeviceGetName");
  library->bind(device_attribute, "cuDeviceGetAttribute");
  library->bind(device_memory, "cuDeviceTotalMem_v2");

  driver_version(&report.version);
  const int status = init(0);
  int count = 0;
  if (status == 0) device_count(&count);
  if (status == kNoDevice || (status == 0 && count == 0)) {
    report.problem = "the NVIDIA driver sees no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES";
    return report;
  }
  if (status != 0) {
    report.problem = "the NVIDIA driver does not start (CUDA error " + std::to_string(status) + "): check nvidia-smi";
    return report;
  }
  for (int i = 0; i < count; ++i) {
    int device = 0;
    char name[256] = "";
    Gpu gpu;
    if (device_get(&device, i) != 0) continue;
    device_name(name, sizeof name, device);
    gpu.name = name;
    device_attribute(&gpu.major, kComputeCapabilityMajor, device);
    device_attribute(&gpu.minor, kComputeCapabilityMinor, device);
    device_memory(&gpu.memory, device);
    report.gpus.push_back(std::move(gpu));
  }
  // The library stays open: unloading a driver that has started is not safe.
  static_cast<void>(library.release());
  return report;
}

CurrentGpu::CurrentGpu(int ordinal) {
  if (ordinal < 0) return;
  library_.emplace(kDriverLibrary);
  int (*init)(unsigned) = nullptr;
  int (*device_get)(int*, int) = nullptr;
  int (*retain)(void**, int) = nullptr;
  int (*push)(void*) = nullptr;
  library_->bind(init, "cuInit");
  library_->bind(device_get, "cuDeviceGet");
  library_->bind(retain, "cuDevicePrimaryCtxRetain");
  library_->bind(push, "cuCtxPushCurrent_v2");
  library_->bind(pop_, "cuCtxPopCurrent_v2");
  library_->bind(release_, "cuDevicePrimaryCtxRelease_v2");
  void* context = nullptr;
  int status = init(0);
  if (status == 0) status = device_get(&device_, ordinal);
  if (status == 0) status = retain(&context, device_);  // the one that the CUDA runtime uses, too
  if (context && status == 0 && (status = push(context)) != 0) release_(device_);
  if (status != 0)
    throw DeviceError("GPU " + std::to_string(ordinal) + " cannot be used (CUDA error " + std::to_string(status) +
                      "): check nvidia-smi");
}

CurrentGpu::~CurrentGpu() {
  if (!library_) return;
  void* context = nullptr;
  pop_(&context);
  release_(device_);
}

}  // namespace trtmtcnn
