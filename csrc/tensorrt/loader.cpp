#include "tensorrt/loader.h"

#include <map>
#include <string>
#include <utility>

#include "error.h"
#include "runtime/fork_guard.h"

namespace trtmtcnn::tensorrt {

namespace {

// TensorRT-RTX 1.x has the classes of TensorRT 11.
constexpr int kMajorOfRtx = 11;

// By major version.
std::map<int, Implementation>& implementations() {
  static std::map<int, Implementation> all;
  return all;
}

bool names_rtx(const std::string& path) { return path.find("_rtx") != std::string::npos; }

}  // namespace

bool add_implementation(const Implementation& implementation) {
  return implementations().emplace(implementation.major, implementation).second;
}

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
  for (const auto& [major, implementation] : implementations()) versions.emplace_back(implementation.version);
  return versions;
}

std::shared_ptr<TensorRt> TensorRt::load(const Libraries& paths) {
  if (implementations().empty())
    throw DeviceError(
        "this build has no TensorRT support: it was built without TensorRT's headers. "
        "`make tensorrt-headers` gets them; then build again");
  skip_parents_exit_handlers();
  auto libraries = std::make_shared<LoadedLibraries>(paths);
  const int wanted = libraries->rtx ? kMajorOfRtx : libraries->major;
  const auto found = implementations().find(wanted);
  if (found != implementations().end()) return found->second.make(std::move(libraries));
  std::string has;
  for (const std::string& v : compiled_versions()) has += (has.empty() ? "" : ", ") + v;
  throw DeviceError(paths.runtime + " needs TensorRT " + std::to_string(wanted) +
                    " headers; this build was compiled against those of " + has);
}

}  // namespace trtmtcnn::tensorrt
