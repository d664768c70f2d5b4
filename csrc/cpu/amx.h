// Intel's Advanced Matrix Extensions.
#pragma once

#include <string>

namespace trtmtcnn::cpu {

// Why this process cannot use tiles of bfloat16; empty: it can. The first call asks the system for leave.
const std::string& amx_problem();

}  // namespace trtmtcnn::cpu
