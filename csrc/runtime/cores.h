// How many cores this process may keep busy: cores_linux.cpp, cores_macos.cpp, cores_windows.cpp.
#pragma once

#include <string>

namespace trtmtcnn {

// Those of its CPU set (taskset, --cpuset-cpus; Windows' affinity), but no more than the processor time that its
// cgroups, or its job on Windows, grant it (docker run --cpus, Kubernetes' limits), rounded up. `proc`: the folder that
// tells its cgroups and mounts on Linux.
int usable_cores(const std::string& proc = "/proc/self");

}  // namespace trtmtcnn
