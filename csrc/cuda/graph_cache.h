// Work that is captured as a CUDA graph when it repeats, and then replayed.
#pragma once

#include <algorithm>
#include <exception>
#include <vector>

#include "backend.h"
#include "cuda/box_set.h"
#include "runtime/function_ref.h"

namespace trtmtcnn::cuda {

// Holds for one set of levels; clear() when those change.
template <typename Runtime>
class GraphCache {
 public:
  GraphCache(Runtime& runtime, BoxSet<Runtime>& boxes) : runtime_(runtime), boxes_(boxes) {}

  void clear() { captured_.clear(); }

  // Does the work, which begins with an empty set of boxes. With the same settings it is done plainly until a call
  // allocates nothing: from then on the addresses hold. The next call captures it, and later ones replay that.
  void capture_or_replay(const PnetSettings& settings, FunctionRef work) {
    const auto found = std::find_if(captured_.begin(), captured_.end(),
                                    [&](const CapturedGraph& c) { return c.settings == settings; });
    if (found == captured_.end()) {
      work();
      captured_.push_back({settings, runtime_.allocations(), {}, boxes_.host_state(), false});
      return;
    }
    CapturedGraph& captured = *found;
    if (captured.refused) return work();
    if (captured.allocations != runtime_.allocations()) {
      captured.graph = {};
      work();
      captured.allocations = runtime_.allocations();
      return;
    }
    if (captured.graph) {
      runtime_.launch(captured.graph);
      boxes_.set_host_state(captured.after);
      return;
    }
    const auto before = boxes_.host_state();
    try {
      captured.graph = runtime_.capture(work);
    } catch (const std::exception&) {  // of TensorRT, which does not tell beforehand
      captured.refused = true;
      boxes_.set_host_state(before);
      return work();
    }
    captured.after = boxes_.host_state();
    runtime_.launch(captured.graph);
  }

 private:
  struct CapturedGraph {
    PnetSettings settings;
    size_t allocations;  // by the last plain call
    typename Runtime::Graph graph;
    typename BoxSet<Runtime>::HostState after;
    bool refused;  // it cannot be captured
  };

  Runtime& runtime_;
  BoxSet<Runtime>& boxes_;
  std::vector<CapturedGraph> captured_;
};

}  // namespace trtmtcnn::cuda
