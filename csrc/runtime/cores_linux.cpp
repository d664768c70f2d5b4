#include <sched.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "runtime/cores.h"

// The files read here are described in proc(5), cgroups(7) and the kernel's documentation of cgroup v1 and v2.
namespace trtmtcnn {
namespace {

namespace fs = std::filesystem;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

int cores_of_cpu_set() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

bool has_cpu(const std::string& list) { return ("," + list + ",").find(",cpu,") != std::string::npos; }

// The path of the process in the hierarchy of version 2 or in version 1's of the controller "cpu"; empty: in none.
std::string cgroup_path(const std::string& proc, bool version_2) {
  std::ifstream file(proc + "/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (version_2 ? controllers.empty() : has_cpu(controllers)) return line.substr(second + 1);
  }
  return {};
}

// Cores' worth of processor time that one cgroup may take.
double quota(const fs::path& folder) {
  double time = 0, period = 0;
  if (std::ifstream file(folder / "cpu.max"); file) {
    if (file >> time >> period && time > 0 && period > 0) return time / period;  // "max 100000" has no number
    return kNoLimit;
  }
  std::ifstream times(folder / "cpu.cfs_quota_us"), periods(folder / "cpu.cfs_period_us");
  return times >> time && periods >> period && time > 0 && period > 0 ? time / period : kNoLimit;
}

// The least quota of the process's cgroup and those above it, as far as they are mounted.
double least_quota(const fs::path& mounted, const std::string& root, const std::string& path) {
  fs::path folder = mounted;
  // What is mounted may be a cgroup other than the root: a container's own.
  const std::string above = root == "/" ? "" : root;
  const std::string below = path.compare(0, above.size(), above) == 0 ? path.substr(above.size()) : "";
  if (below.starts_with('/') && below.find("..") == std::string::npos) folder += below;
  double least = quota(mounted);
  for (; folder != mounted && folder.has_relative_path(); folder = folder.parent_path())
    least = std::min(least, quota(folder));
  return least;
}

double granted(const std::string& proc) {
  double least = kNoLimit;
  std::ifstream file(proc + "/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t dash = line.find(" - cgroup");
    if (dash == std::string::npos) continue;
    std::string id, parent, device, root, mounted, type, source, options;
    std::istringstream(line) >> id >> parent >> device >> root >> mounted;
    std::istringstream(line.substr(dash + 3)) >> type >> source >> options;
    const bool version_2 = type == "cgroup2";
    if (!version_2 && !has_cpu(options)) continue;
    least = std::min(least, least_quota(mounted, root, cgroup_path(proc, version_2)));
  }
  return least;
}

}  // namespace

int usable_cores(const std::string& proc) {
  return static_cast<int>(std::min<double>(cores_of_cpu_set(), std::ceil(granted(proc))));
}

}  // namespace trtmtcnn
