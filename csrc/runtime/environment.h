// The environment variables that the core reads. No other file calls getenv().
#pragma once

#include <string>

namespace trtmtcnn::environment {

// TRT_MTCNN_ISA: the instruction set of the CPU kernels, "baseline", "avx2" or "avx512". Empty: the best one here.
std::string isa();

// TRT_MTCNN_AMX: "off": no tile registers are used; "emulated": tiles in plain C++, slow, for tests. Empty: those of
// the processor.
std::string amx();

// TRT_MTCNN_CUDA_GRAPHS: "0" turns CUDA graphs off.
bool cuda_graphs();

}  // namespace trtmtcnn::environment
