// An engine of a network of any architecture on the CPU: ONNX, run by OpenVINO.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine.h"
#include "runtime/fork_guard.h"

namespace trtmtcnn::cpu {

namespace ov {
struct Api;
struct Core;
}  // namespace ov

struct OpenVinoOptions {
  std::string precision = "f32";  // f32 | bf16 | f16: what the arithmetic is done in
  int threads = 1;
};

// The loaded library. One is shared by all engines of a process.
class OpenVino : public std::enable_shared_from_this<OpenVino> {
 public:
  // `library_path`: libopenvino_c.so. Throws DeviceError where it cannot be loaded.
  static std::shared_ptr<OpenVino> load(const std::string& library_path);
  ~OpenVino();

  std::string version() const;
  // Throws EngineError where the bytes are no model it can read.
  std::shared_ptr<Engine> compile(std::span<const char> onnx, const OpenVinoOptions& options);

  const ov::Api& api() const { return *api_; }
  const ForkGuard& fork_guard() const { return fork_guard_; }

 private:
  explicit OpenVino(const std::string& library_path);
  ForkGuard fork_guard_;
  std::unique_ptr<ov::Api> api_;
  ov::Core* core_ = nullptr;
};

}  // namespace trtmtcnn::cpu
