// Work that is captured as a CUDA graph when it repeats, and then replayed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

#include "cuda/box_set.h"
#include "runtime/capture_lock.h"
#include "runtime/function_ref.h"

namespace trtmtcnn::cuda {

// Holds for one set of levels or frames; clear() when those change. `Settings` are what work depends on besides.
template <typename Runtime, typename Settings>
class GraphCache {
 public:
  GraphCache(Runtime& runtime, BoxSet<Runtime>& boxes) : runtime_(runtime), boxes_(boxes) {}

  void clear() { captured_.clear(); }

  // Does the work, which depends on nothing that it finds in the set of boxes. With the same settings it is done
  // plainly until a call finds all memory as the call before left it, and the networks' contexts, too (`contexts` tells
  // changes): from then on addresses hold. Such a call captures the work, and later ones replay that.
  template <typename Contexts>
  void capture_or_replay(const Settings& settings, const Contexts& contexts, FunctionRef work) {
    CapturedGraph& captured = find(settings);
    const State before{runtime_.memory_generation(), contexts()};
    if (captured.state != before) {
      captured.graph = {};
      work();
      captured.state = {runtime_.memory_generation(), contexts()};
      return;
    }
    if (!captured.graph && captured.calls_to_wait > 0) {
      --captured.calls_to_wait;
      return work();
    }
    if (!captured.graph && !capture(captured, work)) return work();
    try {
      runtime_.launch(captured.graph);
    } catch (...) {
      refuse(captured);  // should the graph be at fault: there may be no memory for it
      throw;
    }
    captured.refusals = 0;
    boxes_.set_host_state(captured.after);
  }

 private:
  using HostState = typename BoxSet<Runtime>::HostState;

  // What work was captured with.
  struct State {
    size_t memory_generation = 0, contexts = 0;
    bool operator==(const State&) const = default;
  };

  struct CapturedGraph {
    Settings settings;
    State state{};  // after the last plain call
    typename Runtime::Graph graph{};
    HostState after{};
    int refusals = 0;       // in a row
    int calls_to_wait = 0;  // until it is tried again
    uint64_t used = 0;
  };

  static constexpr size_t kMost = 8;  // settings of a program that sets others in every call
  static constexpr int kAttempts = 3;
  static constexpr int kFirstWait = 8, kMostDoublings = 10;

  CapturedGraph& find(const Settings& settings) {
    auto found = std::find_if(captured_.begin(), captured_.end(),
                              [&](const CapturedGraph& c) { return c.settings == settings; });
    if (found == captured_.end()) {
      if (captured_.size() == kMost)
        captured_.erase(
            std::min_element(captured_.begin(), captured_.end(),
                             [](const CapturedGraph& a, const CapturedGraph& b) { return a.used < b.used; }));
      captured_.push_back({settings});
      found = captured_.end() - 1;
    }
    found->used = ++time_;
    return *found;
  }

  // What code that is not ours does in another thread may forbid a capture: it is tried again at once, then after some
  // calls, ever more of them.
  bool capture(CapturedGraph& captured, FunctionRef work) {
    const CaptureLock lock;
    if (!lock.held()) return false;
    const HostState before = boxes_.host_state();
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      try {
        captured.graph = runtime_.capture(work);
        captured.after = boxes_.host_state();
        return true;
      } catch (const std::exception&) {
        boxes_.set_host_state(before);
      }
    }
    refuse(captured);
    return false;
  }

  static void refuse(CapturedGraph& captured) {
    captured.graph = {};
    captured.calls_to_wait = kFirstWait << std::min(captured.refusals++, kMostDoublings);
  }

  Runtime& runtime_;
  BoxSet<Runtime>& boxes_;
  std::vector<CapturedGraph> captured_;
  uint64_t time_ = 0;
};

}  // namespace trtmtcnn::cuda
