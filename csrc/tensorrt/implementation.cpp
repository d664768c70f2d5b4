// Compiled once for each major version of TensorRT's headers, with TRTMTCNN_TENSORRT_MAJOR naming it.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "error.h"
#include "runtime/cuda_driver.h"
#include "tensorrt/builder.h"
#include "tensorrt/diagnosis.h"
#include "tensorrt/libraries.h"
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
    std::optional<CurrentGpu> gpu;
    if (options.gpu >= 0) gpu.emplace(options.gpu);
    return build_plan(*libraries_, onnx, options, progress);
  }

  std::shared_ptr<Plan> load_plan(std::span<const char> plan) override {
    return TRTMTCNN_TENSORRT::load_plan(libraries_, plan);
  }

 private:
  std::shared_ptr<LoadedLibraries> libraries_;
};

std::shared_ptr<TensorRt> make(std::shared_ptr<LoadedLibraries> libraries) {
  return std::make_shared<TensorRtImplementation>(std::move(libraries));
}

}  // namespace
}  // namespace TRTMTCNN_TENSORRT

#define TRTMTCNN_STRING_(a) #a
#define TRTMTCNN_STRING(a) TRTMTCNN_STRING_(a)
#define TRTMTCNN_VERSION_TEXT \
  TRTMTCNN_STRING(NV_TENSORRT_MAJOR) "." TRTMTCNN_STRING(NV_TENSORRT_MINOR) "." TRTMTCNN_STRING(NV_TENSORRT_PATCH)

extern const Implementation TRTMTCNN_TENSORRT_NAMESPACE(implementation_);
const Implementation TRTMTCNN_TENSORRT_NAMESPACE(implementation_) = {TRTMTCNN_TENSORRT_MAJOR, TRTMTCNN_VERSION_TEXT,
                                                                     TRTMTCNN_TENSORRT::make};

}  // namespace trtmtcnn::tensorrt
