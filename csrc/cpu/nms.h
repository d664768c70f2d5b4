// Greedy non-maximum suppression.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/boxes.h"

namespace trtmtcnn::cpu {

class Nms {
 public:
  // The indices kept, by frame and falling score; at most `keep` a frame. A box is suppressed when its
  // overlap with a kept one of its scope is greater than `threshold`.
  const std::vector<int>& run(const std::vector<Box>& boxes, float threshold, Overlap overlap, Scope scope, int keep);

  // Of the last run: those kept; all, by frame and falling score; and who suppressed a box, -1 for one kept.
  const std::vector<int>& kept() const { return kept_; }
  const std::vector<int>& order() const { return order_; }
  int suppressor(int box) const { return suppressors_[box]; }

 private:
  // These return who suppresses the candidate, or -1.
  int suppressor_by_scan(const std::vector<Box>& boxes, int candidate, size_t frame_begin);
  int suppressor_by_grid(const std::vector<Box>& boxes, int candidate, size_t frame_begin);
  void add_to_grid(const std::vector<Box>& boxes, int kept);
  bool suppresses(const Box& kept, const Box& candidate) const;

  struct Entry {
    uint64_t key;
    int box;
    int next;
  };

  float threshold_ = 0;
  Overlap overlap_ = Overlap::kUnion;
  Scope scope_ = Scope::kFrame;
  std::vector<int> order_, kept_, suppressors_;
  std::vector<int> heads_;  // hash buckets: first entry, or -1
  std::vector<Entry> entries_;
};

}  // namespace trtmtcnn::cpu
