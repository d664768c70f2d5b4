// Greedy non-maximum suppression: boxes are ranked, then each waits for the better ones that overlap it.
#pragma once

#include "cuda/kernels/box_set.h"

namespace trtmtcnn::cuda {

// Sorts by counting: a box's place is the number of those that rank before it.
struct Rank {
  DeviceBoxes from;
  DeviceBox* to;
  int* count;  // becomes the number of boxes

  TRTMTCNN_HD void operator()(int i) const {
    const int n = from.size();
    if (i == 0) *count = n;
    if (i >= n) return;
    const DeviceBox box = from.data[i];
    int rank = 0;
    for (int j = 0; j < n; ++j) rank += ranks_before(from.data[j], box) ? 1 : 0;
    to[rank] = box;
  }
};

// A box's status; one that is suppressed has kSuppressedBy + the rank of its suppressor.
inline constexpr int kUndecided = 0, kKept = 1, kSuppressedBy = 2;

// The first box of the frame that box i is of.
TRTMTCNN_HD int first_of_frame(const DeviceBox* ranked, int i) {
  if (ranked[0].frame == ranked[i].frame) return 0;
  int low = 0, high = i;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (ranked[middle].frame < ranked[i].frame)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Tickets give the ranks to threads in the order in which they run, so that the thread that another waits for is
// always running or done.
struct Suppress {
  const DeviceBox* ranked;
  const int* count;
  SuppressionRule rule;
  int* ticket;
  int* status;     // kUndecided at first
  uint32_t* kept;  // bits; 0 at first

  TRTMTCNN_HD void operator()(int) const {
    const int i = atomic_add(ticket, 1);
    if (i >= *count) return;
    const DeviceBox box = ranked[i];
    int outcome = kKept;
    for (int j = first_of_frame(ranked, i); j < i && outcome == kKept; ++j) {
      if (!rule.suppresses(ranked[j], box)) continue;
      int decided;
      while ((decided = load_acquire(status + j)) == kUndecided) pause();
      if (decided == kKept) outcome = kSuppressedBy + j;
    }
    if (outcome == kKept) set_bit(kept, i);
    store_release(status + i, outcome);
  }
};

// Marks the first `keep` kept boxes of each frame.
struct Cap {
  const DeviceBox* ranked;
  const int* count;
  const uint32_t* kept;
  int keep;
  uint32_t* capped;  // bits; 0 at first

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= *count || !bit(kept, i)) return;
    const int first = first_of_frame(ranked, i);
    if (bits_before(kept, i) - bits_before(kept, first) < keep) set_bit(capped, i);
  }
};

// Makes each kept box the mean, weighted by score, of itself and of those it suppressed with an intersection over union
// above `above`.
struct AverageKept {
  const DeviceBox* ranked;
  const int* count;
  const int* status;
  float above;
  DeviceBox* to;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = *count;
    if (i >= n) return;
    const DeviceBox kept = ranked[i];
    DeviceBox mean = kept;
    if (status[i] == kKept) {
      float total = kept.score;
      multiply(mean, kept.score);
      for (int j = i + 1; j < n; ++j) {
        if (status[j] != kSuppressedBy + i || !(overlap(kept, ranked[j], Overlap::kIoU) > above)) continue;
        add(mean, ranked[j], ranked[j].score);
        total += ranked[j].score;
      }
      multiply(mean, 1 / total);
      mean.score = kept.score;
    }
    to[i] = mean;
  }
};

}  // namespace trtmtcnn::cuda
