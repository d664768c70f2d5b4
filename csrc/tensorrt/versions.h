// TensorRT's headers for one major version. Its namespaces get the version's number, so that the inline
// functions of two versions, which have the same names, are not merged into one by the linker.
#pragma once

#include "runtime/macros.h"

#define nvinfer1 TRTMTCNN_TENSORRT_NAMESPACE(nvinfer1_)
#define nvonnxparser TRTMTCNN_TENSORRT_NAMESPACE(nvonnxparser_)
#define TRTMTCNN_TENSORRT_NAMESPACE(name) TRTMTCNN_JOIN(name, TRTMTCNN_TENSORRT_MAJOR)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <NvInfer.h>
#include <NvOnnxParser.h>
#pragma GCC diagnostic pop

static_assert(NV_TENSORRT_MAJOR == TRTMTCNN_TENSORRT_MAJOR, "the headers are of another version");

// The namespace of what is compiled against these headers.
#define TRTMTCNN_TENSORRT TRTMTCNN_TENSORRT_NAMESPACE(v)
