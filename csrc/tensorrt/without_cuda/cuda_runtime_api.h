// The two CUDA types that TensorRT's headers name, for machines without the CUDA toolkit: building
// engines and describing them needs no more of it.
#pragma once

struct CUstream_st;
struct CUevent_st;
using cudaStream_t = CUstream_st*;
using cudaEvent_t = CUevent_st*;
