// TensorRT 10, 11 and TensorRT-RTX behind one interface. The classes of different major versions differ in their
// binary layout: builder.cpp, plan.cpp and implementation.cpp are compiled once for each set of headers (versions.h),
// and loader.cpp chooses those that fit the library found at run time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine.h"
#include "tensorrt/progress.h"

namespace trtmtcnn::tensorrt {

struct Libraries {
  std::string runtime;  // libnvinfer.so.N or libtensorrt_rtx.so.N
  std::string parser;   // libnvonnxparser.so.N or libtensorrt_onnxparser_rtx.so.N
};

// Shapes of the network's input that an engine accepts, and the one it is tuned for.
struct Profile {
  Shape min, opt, max;
};

struct BuildOptions {
  std::vector<Profile> profiles;
  int64_t workspace = 0;        // bytes, at most; 0: TensorRT's default
  int optimization_level = -1;  // 0 (fast to build) .. 5 (fast to run); -1: TensorRT's default
  std::vector<char> timing_cache;
  int gpu = -1;  // to build on, 0 being the first; -1: the calling thread's
};

struct BuildResult {
  std::vector<char> plan;
  std::vector<char> timing_cache;  // to keep for the next build; may be empty
};

// Thrown by build() after Progress::cancel().
struct Cancelled : std::exception {
  const char* what() const noexcept override { return "the build was cancelled"; }
};

// A plan on a GPU. Its contexts read and write the GPU's memory.
class Plan : public Engine {
 public:
  virtual std::vector<Profile> profiles() const = 0;
  virtual int64_t device_memory() const = 0;  // scratch that any input takes at most, bytes
};

class TensorRt {
 public:
  virtual ~TensorRt() = default;
  // Opens the libraries. Throws DeviceError where one is missing or of a version this build has no headers for.
  static std::shared_ptr<TensorRt> load(const Libraries& libraries);
  // "10.15.1 ..." of the headers that this build was compiled against.
  static std::vector<std::string> compiled_versions();

  virtual std::string version() const = 0;  // of the library
  virtual bool is_rtx() const = 0;

  // Parses ONNX and builds a plan. Throws EngineError with the message of parser or builder.
  virtual BuildResult build(std::span<const char> onnx, const BuildOptions& options, Progress& progress) = 0;
  // `gpu`: as BuildOptions::gpu. Throws EngineError where the plan is not one for this library and GPU.
  virtual std::shared_ptr<Plan> load_plan(std::span<const char> plan, int gpu) = 0;
};

}  // namespace trtmtcnn::tensorrt
