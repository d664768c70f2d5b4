#include <algorithm>
#include <thread>

#include "runtime/cores.h"

namespace trtmtcnn {

// macOS binds processes to no cores, and grants them no shares.
int usable_cores(const std::string&) { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

}  // namespace trtmtcnn
