// A TensorRT that cannot start CUDA, as 10.15 answers then: it logs why, and returns a pointer to nothing.
#include <NvInferRuntime.h>

#include <cstdint>

namespace {

void* fail(void* logger) {
  static_cast<nvinfer1::ILogger*>(logger)->log(nvinfer1::ILogger::Severity::kERROR, MESSAGE);
  return reinterpret_cast<void*>(uintptr_t{16});
}

}  // namespace

extern "C" {
void* createInferBuilder_INTERNAL(void* logger, int32_t) { return fail(logger); }
void* createInferRuntime_INTERNAL(void* logger, int32_t) { return fail(logger); }
void* createNvOnnxParser_INTERNAL(void*, void*, int) { return nullptr; }
int32_t getInferLibMajorVersion() { return NV_TENSORRT_MAJOR; }
int32_t getInferLibMinorVersion() { return 15; }
int32_t getInferLibPatchVersion() { return 1; }
}
