// From TensorRT's and CUDA's words to what to do about it.
#pragma once

#include <string>

namespace trtmtcnn::tensorrt {

// Adds the mend to a message where the cause is a known one.
std::string with_mend(const std::string& message);
// Whether a build may succeed with less workspace.
bool is_out_of_memory(const std::string& message);
// Whether the fault lies with GPU or driver rather than with the model or plan.
bool is_device_fault(const std::string& message);

}  // namespace trtmtcnn::tensorrt
