// Compiled once for each major version of TensorRT's headers, with TRTMTCNN_TENSORRT_MAJOR naming it.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "error.h"
#include "runtime/cuda_driver.h"
#include "runtime/macros.h"
#include "tensorrt/builder.h"
#include "tensorrt/diagnosis.h"
#include "tensorrt/loader.h"
#include "tensorrt/logger.h"
#include "tensorrt/plan.h"

namespace trtmtcnn::tensorrt {
namespace TRTMTCNN_TENSORRT {
namespace {

class TensorRtImplementation final : public TensorRt {
 public:
  explicit TensorRtImplementation(std::shared_ptr<LoadedLibraries> libraries) : libraries_(std::move(libraries)) {}

  std::string version() const override {
    return std::to_string(libraries_->major) + "." + std::to_string(libraries_->minor) + "." +
           std::to_string(libraries_->patch);
  }
  bool is_rtx() const override { return libraries_->rtx; }

  BuildResult build(std::span<const char> onnx, const BuildOptions& options, Progress& progress) override {
    const CurrentGpu current(options.gpu);
    return build_plan(*libraries_, onnx, options, progress);
  }

  std::shared_ptr<Plan> load_plan(std::span<const char> plan, int gpu) override {
    return TRTMTCNN_TENSORRT::load_plan(libraries_, plan, gpu);
  }

 private:
  std::shared_ptr<LoadedLibraries> libraries_;
};

std::shared_ptr<TensorRt> make(std::shared_ptr<LoadedLibraries> libraries) {
  return std::make_shared<TensorRtImplementation>(std::move(libraries));
}

[[maybe_unused]] const bool added = add_implementation({
    NV_TENSORRT_MAJOR,
    TRTMTCNN_STRING(NV_TENSORRT_MAJOR) "." TRTMTCNN_STRING(NV_TENSORRT_MINOR) "." TRTMTCNN_STRING(NV_TENSORRT_PATCH),
    make,
});

}  // namespace
}  // namespace TRTMTCNN_TENSORRT

}  // namespace trtmtcnn::tensorrt
