#pragma once

#include "cpu/nets/isa/vectors.h"
#include "cpu/nets/net_kernels.h"

namespace trtmtcnn::cpu {
namespace {

// Hands out pieces of the scratch memory.
class Arena {
 public:
  explicit Arena(void* memory) : at_(static_cast<char*>(memory)) {}
  template <class T>
  T* take(int64_t n) {
    T* taken = reinterpret_cast<T*>(at_);
    at_ += scratch_part(n);
    return taken;
  }

 private:
  char* at_;
};

}  // namespace
}  // namespace trtmtcnn::cpu
