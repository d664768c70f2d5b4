#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <thread>

#include "runtime/cores.h"

namespace trtmtcnn {
namespace {

// Of the process's group of up to 64 processors, in which its threads start.
int cores_of_affinity() {
  DWORD_PTR process = 0, system = 0;
  if (GetProcessAffinityMask(GetCurrentProcess(), &process, &system) && process != 0)
    return std::popcount(static_cast<uint64_t>(process));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Cores' worth of processor time that the job may take, as a container's --cpus sets it.
double granted() {
  constexpr double kNoLimit = std::numeric_limits<double>::infinity();
  JOBOBJECT_CPU_RATE_CONTROL_INFORMATION rate{};
  if (!QueryInformationJobObject(nullptr, JobObjectCpuRateControlInformation, &rate, sizeof rate, nullptr))
    return kNoLimit;  // it is in no job
  constexpr DWORD kHardCap = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
  if ((rate.ControlFlags & kHardCap) != kHardCap || rate.CpuRate == 0) return kNoLimit;
  return rate.CpuRate / 10000.0 * std::thread::hardware_concurrency();  // of all cores
}

}  // namespace

int usable_cores(const std::string&) {
  return std::max(1, static_cast<int>(std::min<double>(cores_of_affinity(), std::ceil(granted()))));
}

}  // namespace trtmtcnn
