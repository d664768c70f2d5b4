// The memory layout of DLPack 1.x, https://dmlc.github.io/dlpack/latest/c_api.html, as far as pictures need it.
#pragma once

#include <cstdint>

namespace trtmtcnn::dlpack {

inline constexpr int32_t kCpu = 1, kCuda = 2, kCudaHost = 3, kCudaManaged = 13;
inline constexpr uint8_t kInt = 0, kUInt = 1, kFloat = 2, kComplex = 5, kBool = 6;
inline constexpr uint32_t kMajor = 1;

struct Tensor {
  void* data;
  int32_t device_type, device_id;
  int32_t ndim;
  uint8_t type_code, type_bits;
  uint16_t type_lanes;
  int64_t* shape;
  int64_t* strides;  // in elements; null: C order
  uint64_t byte_offset;
};

struct Managed {
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};

struct ManagedVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(ManagedVersioned*);  // here in every version
  uint64_t flags;
  Tensor tensor;
};

}  // namespace trtmtcnn::dlpack
