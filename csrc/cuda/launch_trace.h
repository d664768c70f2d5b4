// What the streams of this process were given while a benchmark watched, and how long the GPU took for each.
#pragma once

#include <cxxabi.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

namespace trtmtcnn::cuda {

// The name of a kernel's type without the namespaces of this library.
inline std::string kernel_name(const std::type_info& kernel) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(kernel.name(), nullptr, nullptr, &status), std::free);
  std::string name = demangled ? demangled.get() : kernel.name();
  for (const std::string space : {"(anonymous namespace)::", "trtmtcnn::", "testing::", "cuda::", "cpu::"})
    for (size_t at; (at = name.find(space)) != std::string::npos;) name.erase(at, space.size());
  return name;
}

struct TimedLaunch {
  const char* kind;  // as testing/gpu_model.h names calls
  std::string what;  // of a kernel its name
  int64_t amount;    // threads, warps or bytes
  float us = 0;      // on the GPU, between an event before it and one behind it
};

class LaunchTrace {
 public:
  static bool is_on() { return on().load(std::memory_order_relaxed); }

  static void start() {
    const std::lock_guard<std::mutex> lock(mutex());
    launches().clear();
    on() = true;
  }
  static void add(TimedLaunch launch) {
    const std::lock_guard<std::mutex> lock(mutex());
    if (is_on()) launches().push_back(std::move(launch));
  }
  // Ends it. Of what streams were given and have not been waited for since, nothing is known.
  static std::vector<TimedLaunch> take() {
    const std::lock_guard<std::mutex> lock(mutex());
    on() = false;
    return std::exchange(launches(), {});
  }

 private:
  static std::atomic<bool>& on() {
    static std::atomic<bool> is_on = false;
    return is_on;
  }
  static std::mutex& mutex() {
    static std::mutex only;
    return only;
  }
  static std::vector<TimedLaunch>& launches() {
    static std::vector<TimedLaunch> all;
    return all;
  }
};

}  // namespace trtmtcnn::cuda
