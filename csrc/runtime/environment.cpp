#include "runtime/environment.h"

#include <cstdlib>

namespace trtmtcnn::environment {
namespace {

std::string get(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::string isa() { return get("TRT_MTCNN_ISA"); }

std::string amx() { return get("TRT_MTCNN_AMX"); }

bool cuda_graphs() { return get("TRT_MTCNN_CUDA_GRAPHS") != "0"; }

}  // namespace trtmtcnn::environment
