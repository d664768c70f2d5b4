#include "cpu/openvino_c.h"

#include <string>

#include "error.h"

namespace trtmtcnn::cpu::ov {

Api::Api(const std::string& library_path) : library(library_path) {
#define TRTMTCNN_BIND(name) library.bind(name, "ov_" #name)
  TRTMTCNN_BIND(core_create);
  TRTMTCNN_BIND(core_free);
  TRTMTCNN_BIND(core_read_model_from_memory_buffer);
  TRTMTCNN_BIND(core_compile_model);
  TRTMTCNN_BIND(model_free);
  TRTMTCNN_BIND(compiled_model_inputs_size);
  TRTMTCNN_BIND(compiled_model_outputs_size);
  TRTMTCNN_BIND(compiled_model_input_by_index);
  TRTMTCNN_BIND(compiled_model_output_by_index);
  TRTMTCNN_BIND(compiled_model_create_infer_request);
  TRTMTCNN_BIND(compiled_model_free);
  TRTMTCNN_BIND(port_get_any_name);
  TRTMTCNN_BIND(port_get_partial_shape);
  TRTMTCNN_BIND(port_get_element_type);
  TRTMTCNN_BIND(output_const_port_free);
  TRTMTCNN_BIND(partial_shape_free);
  TRTMTCNN_BIND(free);
  TRTMTCNN_BIND(infer_request_set_input_tensor_by_index);
  TRTMTCNN_BIND(infer_request_set_output_tensor_by_index);
  TRTMTCNN_BIND(infer_request_get_output_tensor_by_index);
  TRTMTCNN_BIND(infer_request_infer);
  TRTMTCNN_BIND(infer_request_free);
  TRTMTCNN_BIND(tensor_create_from_host_ptr);
  TRTMTCNN_BIND(tensor_get_shape);
  TRTMTCNN_BIND(shape_free);
  TRTMTCNN_BIND(tensor_free);
  TRTMTCNN_BIND(get_openvino_version);
  TRTMTCNN_BIND(version_free);
  TRTMTCNN_BIND(get_last_err_msg);
#undef TRTMTCNN_BIND
}

void Api::check(Status status, const char* what) const {
  if (status == 0) return;
  const std::string why = last_error();
  throw DeviceError(std::string("OpenVINO could not ") + what + ": " +
                    (why.empty() ? "status " + std::to_string(status) : why));
}

std::string Api::last_error() const {
  const char* text = get_last_err_msg();
  const std::string copy = text ? text : "";
  free(text);
  return copy;
}

}  // namespace trtmtcnn::cpu::ov
