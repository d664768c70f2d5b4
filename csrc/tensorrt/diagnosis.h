// From TensorRT's and CUDA's words to an error that says what to do about it.
#pragma once

#include <string>

namespace trtmtcnn::tensorrt {

// "what: why (mend)", with what to do about it where the cause is a known one. `why`: TensorRT's words, which may be
// none.
std::string message_of(const std::string& what, const std::string& why);
// Whether a build may succeed with less workspace.
bool is_out_of_memory(const std::string& message);
// Whether the fault lies with GPU or driver rather than with the model or plan.
bool is_device_fault(const std::string& message);
// Throws DeviceError where the fault lies there, else EngineError.
[[noreturn]] void fail(const std::string& what, const std::string& why);

}  // namespace trtmtcnn::tensorrt
