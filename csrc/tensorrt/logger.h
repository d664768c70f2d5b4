// Collects the errors that TensorRT logs, for the message of ours.
#pragma once

#include <mutex>
#include <string>

#include "tensorrt/versions.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {

class Logger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    if (severity > Severity::kERROR) return;
    std::lock_guard lock(mutex_);
    constexpr size_t kMost = 4000;  // the first errors tell the cause, later ones its consequences
    if (errors_.size() + std::char_traits<char>::length(message) > kMost) return;
    if (!errors_.empty()) errors_ += "; ";
    errors_ += message;
  }

  // The errors logged since the last call.
  std::string take() {
    std::lock_guard lock(mutex_);
    std::string said;
    said.swap(errors_);
    return said;
  }

 private:
  std::mutex mutex_;
  std::string errors_;
};

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
