// Greedy non-maximum suppression.
#pragma once

#include <cstdint>
#include <vector>

#include "box.h"

namespace trtmtcnn::cpu {

class Nms {
 public:
  // The indices kept, in the order of ranks_before(); at most `keep` a frame.
  const std::vector<int>& run(const std::vector<Box>& boxes, const SuppressionRule& rule, int keep);

  // Of the last run: the indices kept; all indices in order; and the index of a box's suppressor, -1 for a kept one.
  const std::vector<int>& kept() const { return kept_; }
  const std::vector<int>& order() const { return order_; }
  int suppressor(int box) const { return suppressors_[box]; }

 private:
  // Both return the index of a kept box that suppresses the candidate, or -1.
  int suppressor_by_scan(const std::vector<Box>& boxes, int candidate, size_t frame_begin);
  int suppressor_by_grid(const std::vector<Box>& boxes, int candidate, size_t frame_begin);
  void add_to_grid(const std::vector<Box>& boxes, int kept);

  struct Entry {
    uint64_t key;
    int box;
    int next;
  };

  SuppressionRule rule_;
  std::vector<int> order_, kept_, suppressors_;
  std::vector<int> heads_;  // hash buckets: first entry, or -1
  std::vector<Entry> entries_;
};

}  // namespace trtmtcnn::cpu
