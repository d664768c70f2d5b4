// What the preprocessor needs two steps for: macros that expand their arguments first.
#pragma once

#define TRTMTCNN_JOIN_(a, b) a##b
#define TRTMTCNN_JOIN(a, b) TRTMTCNN_JOIN_(a, b)
#define TRTMTCNN_STRING_(a) #a
#define TRTMTCNN_STRING(a) TRTMTCNN_STRING_(a)
