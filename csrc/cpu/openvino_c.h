// The functions of OpenVINO's C API (openvino/c/*.h, stable since 2023.0) that the engine calls,
// declared here so that building needs no OpenVINO.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/shared_library.h"

namespace trtmtcnn::cpu::ov {

struct Core;
struct Model;
struct CompiledModel;
struct InferRequest;
struct Tensor;
struct Port;

struct OvShape {  // ov_shape_t
  int64_t rank;
  int64_t* dims;
};

struct OvDimension {  // ov_dimension_t
  int64_t min, max;
};

struct OvPartialShape {  // ov_partial_shape_t; a rank is a dimension, too
  OvDimension rank;
  OvDimension* dims;
};

struct OvVersion {  // ov_version_t
  const char* build_number;
  const char* description;
};

inline constexpr int kF32 = 4;  // ov_element_type_e::F32

using Status = int;  // ov_status_e; 0 is success

struct Api {
  explicit Api(const std::string& library_path);

  SharedLibrary library;
  Status (*core_create)(Core**);
  void (*core_free)(Core*);
  Status (*core_read_model_from_memory_buffer)(const Core*, const char* model, size_t length, const Tensor* weights,
                                               Model**);
  Status (*core_compile_model)(const Core*, const Model*, const char* device, size_t property_count, CompiledModel**,
                               ...);
  void (*model_free)(Model*);
  Status (*compiled_model_inputs_size)(const CompiledModel*, size_t*);
  Status (*compiled_model_outputs_size)(const CompiledModel*, size_t*);
  Status (*compiled_model_input_by_index)(const CompiledModel*, size_t, Port**);
  Status (*compiled_model_output_by_index)(const CompiledModel*, size_t, Port**);
  Status (*compiled_model_create_infer_request)(const CompiledModel*, InferRequest**);
  void (*compiled_model_free)(CompiledModel*);
  Status (*port_get_any_name)(const Port*, char**);
  Status (*port_get_partial_shape)(const Port*, OvPartialShape*);
  Status (*port_get_element_type)(const Port*, int*);
  void (*output_const_port_free)(Port*);
  void (*partial_shape_free)(OvPartialShape*);
  void (*free)(const char*);
  Status (*infer_request_set_input_tensor_by_index)(InferRequest*, size_t, const Tensor*);
  Status (*infer_request_set_output_tensor_by_index)(InferRequest*, size_t, const Tensor*);
  Status (*infer_request_get_output_tensor_by_index)(const InferRequest*, size_t, Tensor**);
  Status (*infer_request_infer)(InferRequest*);
  void (*infer_request_free)(InferRequest*);
  Status (*tensor_create_from_host_ptr)(int element_type, OvShape, void*, Tensor**);
  Status (*tensor_get_shape)(const Tensor*, OvShape*);
  Status (*shape_free)(OvShape*);
  void (*tensor_free)(Tensor*);
  Status (*get_openvino_version)(OvVersion*);
  void (*version_free)(OvVersion*);
  const char* (*get_last_err_msg)();  // to be freed
  std::string last_error() const;

  void check(Status status, const char* what) const;  // throws DeviceError with OpenVINO's own words
};

}  // namespace trtmtcnn::cpu::ov
