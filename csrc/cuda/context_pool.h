// The contexts of one engine: one for each shape of input, so that none changes its shape from call to call. TensorRT
// prepares a context anew for another shape, and cannot be captured meanwhile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine.h"
#include "runtime/capture_lock.h"

namespace trtmtcnn::cuda {

class ContextPool {
 public:
  // `most`: contexts at most. From then on the one that was used longest ago takes on the new shape.
  ContextPool(std::shared_ptr<Engine> engine, void* stream, size_t most)
      : engine_(std::move(engine)), stream_(stream), most_(most) {
    add();  // here and not in the first call, should it fail
  }

  ~ContextPool() {
    const NoCapture no_capture;
    entries_.clear();
  }

  Engine& engine() const { return *engine_; }

  Context& at(const Shape& shape) {
    ++time_;
    auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.shape == shape; });
    if (found == entries_.end()) {
      ++changes_;
      if (entries_.front().shape != Shape{} && entries_.size() < most_) add();
      found = std::min_element(entries_.begin(), entries_.end(),
                               [](const Entry& a, const Entry& b) { return a.used < b.used; });
      found->shape = shape;
    }
    found->used = time_;
    return *found->context;
  }

  // How often a context took on another shape: while it stays, captured work holds.
  size_t changes() const { return changes_; }

 private:
  struct Entry {
    Shape shape{};  // none at first
    std::unique_ptr<Context> context;
    uint64_t used = 0;
  };

  void add() {
    const NoCapture no_capture;
    Entry entry;
    entry.context = engine_->context();
    entry.context->use_stream(stream_);
    entries_.push_back(std::move(entry));
  }

  std::shared_ptr<Engine> engine_;
  void* stream_;
  size_t most_;
  std::vector<Entry> entries_;
  uint64_t time_ = 0;
  size_t changes_ = 0;
};

}  // namespace trtmtcnn::cuda
