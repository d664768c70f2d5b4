// Sorts boxes: runs by counting, then runs are merged eight at a time. No thread waits for another, and a comparison is
// one load of 16 bytes that no other load must precede.
#pragma once

#include <bit>

#include "cuda/kernels/box_set.h"

namespace trtmtcnn::cuda {

// ranks_before() as numbers: (frame, score) and (level, order), ascending.
struct alignas(16) RankKey {
  uint64_t high, low;

  TRTMTCNN_HD int frame() const { return static_cast<int>(high >> 32); }
};

TRTMTCNN_HD bool operator<(const RankKey& a, const RankKey& b) {
  return a.high < b.high || (a.high == b.high && a.low < b.low);
}

// Falls where the score rises; NaN is last, and 0 has no sign.
TRTMTCNN_HD uint32_t score_key(float score) {
  if (score != score) return ~0u;
  const auto bits = std::bit_cast<uint32_t>(score == 0 ? 0.0f : score);
  return bits >> 31 ? bits : ~bits & 0x7FFFFFFFu;
}

TRTMTCNN_HD RankKey rank_key(const Box& b) {
  return {static_cast<uint64_t>(static_cast<uint32_t>(b.frame)) << 32 | score_key(b.score),
          static_cast<uint64_t>(static_cast<uint32_t>(b.level)) << 32 | static_cast<uint32_t>(b.order)};
}

// Keys, and of which box each is.
struct Ranks {
  RankKey* keys;
  int* boxes;
};

inline constexpr int kRun = 1024;  // boxes that are sorted by counting
inline constexpr int kMerged = 8;  // runs that are merged at once

struct MakeKeys {
  DeviceBoxes from;
  RankKey* keys;

  TRTMTCNN_HD void operator()(int i) const {
    if (i < from.size()) keys[i] = rank_key(from.data[i]);
  }
};

// A box's place in its run is the number of those that rank before it.
struct SortRuns {
  DeviceBoxes from;
  const RankKey* keys;
  Ranks to;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = from.size();
    if (i >= n) return;
    const int begin = i / kRun * kRun, end = min(begin + kRun, n);
    const RankKey key = keys[i];
    int place = begin;
    for (int j = begin; j < i; ++j) place += key < keys[j] ? 0 : 1;
    for (int j = i + 1; j < end; ++j) place += keys[j] < key ? 1 : 0;
    to.keys[place] = key;
    to.boxes[place] = i;
  }
};

// A box's place among kMerged runs is its place in its own and the places that it would have in the others, which are
// searched side by side.
struct MergeRuns {
  DeviceBoxes boxes;
  int run;  // boxes in a run, a power of two
  Ranks from, to;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = boxes.size();
    if (i >= n) return;
    const RankKey key = from.keys[i];
    const int own = i / run % kMerged;
    const int64_t begin = i - i % (int64_t{kMerged} * run);
    int before[kMerged] = {};  // in each run: how many rank before the box
    for (int step = run; step > 0; step /= 2)
      for (int r = 0; r < kMerged; ++r) {
        const int64_t last = begin + int64_t{r} * run + before[r] + step - 1;
        if (r == own || last >= n || before[r] + step > run) continue;
        // Of equal ones those of earlier runs come first.
        if (r < own ? !(key < from.keys[last]) : from.keys[last] < key) before[r] += step;
      }
    int place = i - own * run;
    for (int r = 0; r < kMerged; ++r) place += before[r];
    to.keys[place] = key;
    to.boxes[place] = from.boxes[i];
  }
};

// What suppression knows of the boxes, in their order.
struct Ranked {
  Corners* corners;
  int* frames;
  int* levels;
  const int* count;
  int* starts;  // frames + 1: the first box of each frame, and the number of all
};

// Puts the boxes in their order.
struct GatherRanked {
  DeviceBoxes from;
  Ranks ranks;
  int frame_count;
  DeviceBox* to;
  int* count;  // becomes their number
  Ranked ranked;
  uint32_t* kept;  // bits, which become 0
  uint32_t* suppressed;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = from.size();
    if (i == 0) *count = n;
    if (i == 0 && n == 0) fill_starts(-1, frame_count, 0);
    if (i % 32 == 0) kept[i / 32] = suppressed[i / 32] = 0;
    if (i >= n) return;
    const DeviceBox box = from.data[ranks.boxes[i]];
    to[i] = box;
    ranked.corners[i] = box;
    ranked.frames[i] = box.frame;
    ranked.levels[i] = box.level;
    fill_starts(i == 0 ? -1 : ranks.keys[i - 1].frame(), box.frame, i);
    if (i == n - 1) fill_starts(box.frame, frame_count, n);
  }

 private:
  // The frames after `before`, up to `last`, begin at box i.
  TRTMTCNN_HD void fill_starts(int before, int last, int i) const {
    for (int f = before + 1; f <= min(last, frame_count); ++f) ranked.starts[f] = i;
  }
};

}  // namespace trtmtcnn::cuda
