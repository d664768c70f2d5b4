// Errors of TensorRT and CUDA, with what to do about the known ones.
#pragma once

#include <string>

namespace trtmtcnn::tensorrt {

// "what: why (mend)", the mend where the cause is known. `why`: TensorRT's message, which may be empty.
std::string message_of(const std::string& what, const std::string& why);
// Whether a build may succeed with less workspace.
bool is_out_of_memory(const std::string& message);
// Whether the fault lies with GPU or driver rather than with the model or plan.
bool is_device_fault(const std::string& message);
// Throws DeviceError for a device fault, else EngineError.
[[noreturn]] void fail(const std::string& what, const std::string& why);

}  // namespace trtmtcnn::tensorrt
