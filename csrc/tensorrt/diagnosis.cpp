#include "tensorrt/diagnosis.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "error.h"

namespace trtmtcnn::tensorrt {
namespace {

struct Cause {
  const char* sign;  // part of the message, in lower case
  const char* mend;
  bool device;  // or driver: not the model or plan
};

// cudaError numbers: https://docs.nvidia.com/cuda/cuda-runtime-api (cudaError_t).
constexpr const char* kNewerDriver =
    "there is no NVIDIA driver, or it is older than this TensorRT's CUDA: install a newer driver";
constexpr const char* kVisibleGpu = "no NVIDIA GPU is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES";
constexpr const char* kOtherTensorRt =
    "this TensorRT does not support this GPU: see docs/tensorrt.md for one that does";
constexpr const char* kBuildHere = "it was made for another GPU: run create_engines on this machine";

constexpr std::array kCauses{
    Cause{"error: 35", kNewerDriver, true},
    Cause{"cudaerror 35", kNewerDriver, true},
    Cause{"cudaerrorinsufficientdriver", kNewerDriver, true},
    Cause{"driver version is insufficient", kNewerDriver, true},
    Cause{"error: 100", kVisibleGpu, true},
    Cause{"no cuda-capable device", kVisibleGpu, true},
    Cause{"error: 999", "the driver is in a bad state: restarting the machine or container usually mends it", true},
    Cause{"unsupported sm", kOtherTensorRt, true},
    Cause{"not supported on this device", kOtherTensorRt, true},
    Cause{"no kernel image", "this build has no kernels for this GPU: build again on this machine", true},
    Cause{"magic tag", "it is no plan of this TensorRT version: run create_engines again", false},
    Cause{"version tag", "it was made by another TensorRT version: run create_engines again", false},
    Cause{"serialization", "it was made by another TensorRT version or is damaged: run create_engines again", false},
    Cause{"compute capability", kBuildHere, false},
    Cause{"generated on an incompatible device", kBuildHere, false},
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

const Cause* find_cause(const std::string& message) {
  const std::string text = lower(message);
  const auto found = std::find_if(kCauses.begin(), kCauses.end(),
                                  [&](const Cause& c) { return text.find(c.sign) != std::string::npos; });
  return found == kCauses.end() ? nullptr : found;
}

}  // namespace

std::string message_of(const std::string& what, const std::string& why) {
  if (why.empty()) return what + ": TensorRT gives no reason";
  const Cause* cause = find_cause(why);
  return what + ": " + why + (cause ? " (" + std::string(cause->mend) + ")" : "");
}

bool is_out_of_memory(const std::string& message) {
  const std::string text = lower(message);
  return text.find("out of memory") != std::string::npos || text.find("outofmemory") != std::string::npos ||
         text.find("insufficient memory") != std::string::npos;
}

bool is_device_fault(const std::string& message) {
  const Cause* cause = find_cause(message);
  return cause && cause->device;
}

void fail(const std::string& what, const std::string& why) {
  if (is_device_fault(why)) throw DeviceError(message_of(what, why));
  throw EngineError(message_of(what, why));
}

}  // namespace trtmtcnn::tensorrt
