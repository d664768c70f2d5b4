// What the NVIDIA driver says of this machine, asked through libcuda opened at run time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/shared_library.h"

namespace trtmtcnn {

struct Gpu {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  size_t memory = 0;         // bytes
};

struct DriverReport {
  std::string problem;  // why no GPU can be used; empty where one can
  int version = 0;      // newest CUDA that the driver runs: 13000 is 13.0
  std::vector<Gpu> gpus;
};

DriverReport ask_driver();

// Makes a GPU the calling thread's for as long as it lives, for libraries that work on the current one.
class CurrentGpu {
 public:
  explicit CurrentGpu(int ordinal);  // -1: the thread keeps its own. Throws DeviceError
  ~CurrentGpu();
  CurrentGpu(const CurrentGpu&) = delete;
  CurrentGpu& operator=(const CurrentGpu&) = delete;

 private:
  std::optional<SharedLibrary> library_;
  int device_ = 0;
  int (*pop_)(void**) = nullptr;
  int (*release_)(int) = nullptr;
};

}  // namespace trtmtcnn
