// How many cores this process may keep busy.
#pragma once

#include <string>

namespace trtmtcnn {

// Those of its CPU set (taskset, --cpuset-cpus), but no more than the processor time that its cgroups grant it
// (docker run --cpus, Kubernetes' limits), rounded up. `proc`: the folder that tells its cgroups and mounts.
int usable_cores(const std::string& proc = "/proc/self");

}  // namespace trtmtcnn
