// Greedy non-maximum suppression of ranked boxes, a round for each kRound boxes of a frame: which boxes suppress which
// is found by all threads at once, and what that leaves by one warp a frame, 32 boxes at a time. No thread waits for
// another.
#pragma once

#include "cuda/kernels/box_set.h"
#include "cuda/kernels/rank.h"
#include "cuda/warp.h"

namespace trtmtcnn::cuda {

// Which boxes of each frame a round is for, counted from the frame's first.
struct Round {
  int first;
  int boxes;  // a multiple of 32

  TRTMTCNN_HD bool has(int i) const { return i >= first && i < first + boxes; }
};

// The words of each frame's boxes, 32 a word, counted from the frame's first.
TRTMTCNN_HD int first_word(const Ranked& ranked, int frame) { return ranked.starts[frame] / 32 + frame; }

struct Suppression {
  Ranked ranked;
  SuppressionRule rule;
  Round round;
  uint32_t* kept_in_frame;  // bits by first_word()
  uint32_t* suppressed;     // bits: by boxes of rounds before; 0 at first
  uint32_t* masks;          // of box i, word w at w * mask_stride + i: which of the round's boxes suppress it
  int mask_stride;

  TRTMTCNN_HD bool suppresses(int kept, int candidate) const {
    return rule.suppresses(ranked.corners[kept], ranked.levels[kept], ranked.corners[candidate],
                           ranked.levels[candidate]);
  }
};

// Marks the round's boxes that are suppressed by those kept in rounds before.
struct SuppressByKept {
  Suppression s;

  TRTMTCNN_HD void operator()(int t) const {
    const int i = s.round.first + t;  // no earlier box is in the round
    if (i >= *s.ranked.count) return;
    const int frame = s.ranked.frames[i], start = s.ranked.starts[frame];
    if (!s.round.has(i - start) || !s.rule.may_suppress(s.ranked.corners[i])) return;
    const uint32_t* kept = s.kept_in_frame + first_word(s.ranked, frame);
    for (int w = 0; w < s.round.first / 32; ++w)
      for (uint32_t bits = kept[w]; bits; bits &= bits - 1)
        if (s.suppresses(start + 32 * w + lowest_bit(bits), i)) return set_bit(s.suppressed, i);
  }
};

// One word of a box's mask.
struct SuppressionMask {
  Suppression s;
  int words;  // of a mask, at most
  int threads;

  TRTMTCNN_HD void operator()(int t) const {
    const int n = *s.ranked.count;
    const int items = n * min(words, (n + 31) / 32);
    for (int item = t; item < items; item += threads) mask(item % n, item / n);
  }

 private:
  TRTMTCNN_HD void mask(int i, int word) const {
    const int start = s.ranked.starts[s.ranked.frames[i]];
    const int first = start + s.round.first + 32 * word;
    if (!s.round.has(i - start) || first > i) return;
    uint32_t bits = 0;
    if (s.rule.may_suppress(s.ranked.corners[i]))
      for (int j = first; j < min(first + 32, i); ++j) bits |= s.suppresses(j, i) ? 1u << (j - first) : 0u;
    s.masks[static_cast<ptrdiff_t>(word) * s.mask_stride + i] = bits;
  }
};

// Decides on the round's boxes of one frame, in their order, by a warp.
struct KeepGreedily {
  Suppression s;
  int keep;          // boxes a frame, at most
  int* kept_counts;  // by frame
  uint32_t* kept;    // bits; 0 at first

  template <typename Warp>
  TRTMTCNN_HD void operator()(const Warp& warp, int frame) const {
    const int start = s.ranked.starts[frame], end = s.ranked.starts[frame + 1];
    uint32_t* const words = s.kept_in_frame + first_word(s.ranked, frame) + s.round.first / 32;
    int left = keep - (s.round.first > 0 ? kept_counts[frame] : 0);
    for (int w = 0; w < s.round.boxes / 32; ++w) {
      const int first = start + s.round.first + 32 * w;
      if (first >= end) break;
      const uint32_t gone =
          left > 0 ? warp.ballot([&](int lane) { return is_gone(first + lane, end, w, words); }) : ~0u;
      uint32_t chosen = 0;
      for (int l = 0; l < 32 && first + l < end && left > 0; ++l) {
        if ((gone >> l & 1u) || (s.masks[static_cast<ptrdiff_t>(w) * s.mask_stride + first + l] & chosen)) continue;
        chosen |= 1u << l;
        --left;
      }
      warp.once([&] { write(first, w, chosen, words); });
    }
    warp.once([&] { kept_counts[frame] = keep - left; });
  }

 private:
  TRTMTCNN_HD bool is_gone(int i, int end, int word, const uint32_t* words) const {
    if (i >= end || (s.round.first > 0 && bit(s.suppressed, i))) return true;
    uint32_t by = 0;
    for (int w = 0; w < word; ++w) by |= s.masks[static_cast<ptrdiff_t>(w) * s.mask_stride + i] & words[w];
    return by != 0;
  }

  TRTMTCNN_HD void write(int first, int word, uint32_t chosen, uint32_t* words) const {
    words[word] = chosen;
    if (!chosen) return;
    const int shift = first % 32;
    atomic_or(kept + first / 32, chosen << shift);
    if (shift > 0 && chosen >> (32 - shift)) atomic_or(kept + first / 32 + 1, chosen >> (32 - shift));
  }
};

// The first kept box that suppresses each other one; -1 for those kept.
struct FindSuppressors {
  Suppression s;
  const uint32_t* kept;
  int* suppressors;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= *s.ranked.count) return;
    suppressors[i] = bit(kept, i) ? -1 : find(i);
  }

 private:
  TRTMTCNN_HD int find(int i) const {
    const int frame = s.ranked.frames[i], start = s.ranked.starts[frame];
    const uint32_t* words = s.kept_in_frame + first_word(s.ranked, frame);
    for (int w = 0; w <= (i - start) / 32; ++w)
      for (uint32_t bits = words[w]; bits; bits &= bits - 1)
        if (const int j = start + 32 * w + lowest_bit(bits); s.suppresses(j, i)) return j;
    return -1;
  }
};

// Makes each kept box the mean, weighted by score, of itself and of those it suppressed with an intersection over union
// above `above`.
struct AverageKept {
  const DeviceBox* boxes;
  Ranked ranked;
  const int* suppressors;
  float above;
  DeviceBox* to;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= *ranked.count) return;
    const DeviceBox& kept = boxes[i];
    if (suppressors[i] >= 0) return;
    DeviceBox mean = kept;
    mean.x1 = mean.y1 = mean.x2 = mean.y2 = 0;
    for (float& p : mean.landmarks) p = 0;
    float total = kept.score;
    add(mean, kept, kept.score);
    const int end = ranked.starts[kept.frame + 1];
    for (int j = i + 1; j < end; ++j) {
      if (suppressors[j] != i || overlap(kept, boxes[j], Overlap::kIoU) <= above) continue;
      add(mean, boxes[j], boxes[j].score);
      total += boxes[j].score;
      ++mean.neighbours;
    }
    divide(mean, total, total);
    to[i] = mean;
  }
};

}  // namespace trtmtcnn::cuda
