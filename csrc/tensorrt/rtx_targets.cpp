// Compiled once for each major version of TensorRT's headers, with TRTMTCNN_TENSORRT_MAJOR naming it.
#include "tensorrt/rtx_targets.h"

#include <cstdint>
#include <string>

#include "error.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {

#if NV_TENSORRT_MAJOR >= 11

namespace {

// IBuilderConfig::setNbComputeCapabilities and setComputeCapability exist in TensorRT-RTX only, so the public
// headers lack them. TensorRT-RTX 1.7 has them where TensorRT 11.1 has setRemoteAutoTuningConfig and
// setBuildRoute: in the table of virtual functions, these entries after the two of the destructor.
constexpr int kMajor = 1, kMinor = 7;
constexpr int kSetNbComputeCapabilities = 55;
constexpr int kSetComputeCapability = 57;

struct Access : nvinfer1::IBuilderConfig {
  static void* implementation(nvinfer1::IBuilderConfig& config) { return config.*(&Access::mImpl); }
};

template <typename... Arguments>
bool call(void* object, int entry, Arguments... arguments) {
  using Function = bool (*)(void*, Arguments...);
  void** table = *static_cast<void***>(object);
  return reinterpret_cast<Function>(table[entry])(object, arguments...);
}

}  // namespace

void set_rtx_targets(const LoadedLibraries& libraries, nvinfer1::IBuilderConfig& config,
                     const std::vector<int>& targets) {
  if (!libraries.rtx || libraries.major != kMajor || libraries.minor != kMinor)
    throw EngineError("building for other GPUs needs TensorRT-RTX 1.7: pip install tensorrt-rtx-cu13-libs==1.7.*");
  void* object = Access::implementation(config);
  bool accepted = call(object, kSetNbComputeCapabilities, static_cast<int32_t>(targets.size()));
  int32_t index = 0;
  for (const int target : targets) {
    accepted = accepted && call(object, kSetComputeCapability, static_cast<int32_t>(target), index++);
    if (!accepted)
      throw EngineError("TensorRT-RTX does not build for sm_" + std::to_string(target) +
                        " (it does for sm_75, sm_80, sm_86, sm_89, sm_120 and sm_121)");
  }
}

#else

void set_rtx_targets(const LoadedLibraries&, nvinfer1::IBuilderConfig&, const std::vector<int>&) {
  throw EngineError("building for other GPUs needs TensorRT-RTX 1.7: pip install tensorrt-rtx-cu13-libs==1.7.*");
}

#endif

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
