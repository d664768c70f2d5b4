// Opens TensorRT's libraries. Three C functions are looked up in them; all others are methods of what these return.
#pragma once

#include <cstdint>

#include "runtime/shared_library.h"
#include "tensorrt/tensorrt.h"

namespace trtmtcnn::tensorrt {

struct LoadedLibraries {
  explicit LoadedLibraries(const Libraries& paths);

  SharedLibrary runtime;
  SharedLibrary parser;
  void* (*create_builder)(void* logger, int32_t version);
  void* (*create_runtime)(void* logger, int32_t version);
  void* (*create_parser)(void* network, void* logger, int version);
  int32_t major = 0, minor = 0, patch = 0;
  bool rtx = false;
};

// Makes the implementation that was compiled against one major version's headers.
using Factory = std::shared_ptr<TensorRt> (*)(std::shared_ptr<LoadedLibraries> libraries);

struct Implementation {
  int major;            // of the headers
  const char* version;  // of the headers
  Factory make;
};

// Called while this module is loaded, by each of the implementations that setup.py compiled; returns true.
bool add_implementation(const Implementation& implementation);

}  // namespace trtmtcnn::tensorrt
