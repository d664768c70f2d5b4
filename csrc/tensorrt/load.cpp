#include <string>
#include <utility>

#include "error.h"
#include "tensorrt/libraries.h"

namespace trtmtcnn::tensorrt {

// Defined where the sources were compiled against those headers.
#ifdef TRTMTCNN_TENSORRT_10
extern const Implementation implementation_10;
#endif
#ifdef TRTMTCNN_TENSORRT_11
extern const Implementation implementation_11;
#endif

namespace {

std::vector<const Implementation*> implementations() {
  std::vector<const Implementation*> all;
#ifdef TRTMTCNN_TENSORRT_10
  all.push_back(&implementation_10);
#endif
#ifdef TRTMTCNN_TENSORRT_11
  all.push_back(&implementation_11);
#endif
  return all;
}

bool names_rtx(const std::string& path) { return path.find("_rtx") != std::string::npos; }

}  // namespace

LoadedLibraries::LoadedLibraries(const Libraries& paths)
    : runtime(paths.runtime), parser(paths.parser), rtx(names_rtx(paths.runtime)) {
  runtime.bind(create_builder, "createInferBuilder_INTERNAL");
  runtime.bind(create_runtime, "createInferRuntime_INTERNAL");
  parser.bind(create_parser, "createNvOnnxParser_INTERNAL");
  int32_t (*number)() = nullptr;
  runtime.bind(number, "getInferLibMajorVersion");
  major = number();
  runtime.bind(number, "getInferLibMinorVersion");
  minor = number();
  runtime.bind(number, "getInferLibPatchVersion");
  patch = number();
}

std::vector<std::string> TensorRt::compiled_versions() {
  std::vector<std::string> versions;
  for (const Implementation* i : implementations()) versions.emplace_back(i->version);
  return versions;
}

std::shared_ptr<TensorRt> TensorRt::load(const Libraries& paths) {
  if (implementations().empty())
    throw DeviceError(
        "this build has no TensorRT support: it was built without TensorRT's headers. "
        "`make tensorrt-headers` gets them; then build again");
  auto libraries = std::make_shared<LoadedLibraries>(paths);
  // TensorRT-RTX 1.x has the classes of TensorRT 11.
  const int wanted = libraries->rtx ? 11 : libraries->major;
  for (const Implementation* i : implementations())
    if (i->major == wanted) return i->make(std::move(libraries));
  std::string has;
  for (const std::string& v : compiled_versions()) has += (has.empty() ? "" : ", ") + v;
  throw DeviceError(paths.runtime + " needs TensorRT " + std::to_string(wanted) +
                    " headers; this build was compiled against those of " + has);
}

}  // namespace trtmtcnn::tensorrt
