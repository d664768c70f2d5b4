// Boxes on the device. Their number is there, too: kernels are launched for as many as there may be, and
// each finds out whether it has one.
#pragma once

#include <cmath>
#include <cstddef>

#include "cuda/launch.h"
#include "types.h"

namespace trtmtcnn::cuda {

struct DeviceBox {
  float x1, y1, x2, y2;
  float score;
  float regression[4];  // pending, in pixels
  int frame, level, order;
  float landmarks[kLandmarks];

  TRTMTCNN_HD float width() const { return x2 - x1 + 1; }
  TRTMTCNN_HD float height() const { return y2 - y1 + 1; }
};

TRTMTCNN_HD bool has_pixel(const DeviceBox& b) { return b.width() >= 1 && b.height() >= 1; }  // false for NaN, too

struct BoxSet {
  DeviceBox* data;
  int* count;  // may exceed capacity: then boxes were lost
  int capacity;

  TRTMTCNN_HD int size() const { return least(*count, capacity); }
};

// Keeps the larger of *to and the count, lost boxes included.
struct KeepMost {
  const int* from;
  int* to;
  TRTMTCNN_HD void operator()(int) const { *to = most(*to, *from); }
};

TRTMTCNN_HD bool ranks_before(const DeviceBox& a, const DeviceBox& b) {
  if (a.frame != b.frame) return a.frame < b.frame;
  if (a.score != b.score) return a.score > b.score;
  if (a.level != b.level) return a.level < b.level;
  return a.order < b.order;
}

// Sorts by counting: a box's place is the number of those that rank before it.
struct Rank {
  BoxSet from;
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

// Intersection over union, or over the smaller area.
TRTMTCNN_HD float overlap(const DeviceBox& a, const DeviceBox& b, bool by_min) {
  const float w = least(a.x2, b.x2) - most(a.x1, b.x1) + 1;
  const float h = least(a.y2, b.y2) - most(a.y1, b.y1) + 1;
  if (w <= 0 || h <= 0) return -1;  // below any threshold
  const float common = w * h;
  const float area_a = a.width() * a.height(), area_b = b.width() * b.height();
  return common / (by_min ? least(area_a, area_b) : area_a + area_b - common);
}

// Else the status is 2 + the rank of the box that suppresses it.
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

// Greedy suppression over ranked boxes: each waits for those of better rank that overlap it. Tickets give
// the ranks to threads in the order in which they run, so that what a thread waits for is always running
// or done.
struct Suppress {
  const DeviceBox* ranked;
  const int* count;
  float threshold;
  bool by_min, same_level;
  int* ticket;
  int* status;     // kUndecided at first
  uint32_t* kept;  // bits; 0 at first

  TRTMTCNN_HD void operator()(int) const {
    const int i = atomic_add(ticket, 1);
    if (i >= *count) return;
    const DeviceBox box = ranked[i];
    int outcome = kKept;
    for (int j = first_of_frame(ranked, i); j < i && outcome == kKept; ++j) {
      const DeviceBox& other = ranked[j];
      if (same_level && other.level != box.level) continue;
      if (!(overlap(other, box, by_min) > threshold)) continue;
      int decided;
      while ((decided = load_acquire(status + j)) == kUndecided) pause();
      if (decided == kKept) outcome = kSuppressedBy + j;
    }
    if (outcome == kKept) atomic_or(kept + i / 32, 1u << (i % 32));
    store_release(status + i, outcome);
  }
};

// Bits set before bit i.
TRTMTCNN_HD int bits_before(const uint32_t* bits, int i) {
  int n = 0;
  for (int w = 0; w < i / 32; ++w) n += popcount(bits[w]);
  return n + popcount(bits[i / 32] & ((1u << (i % 32)) - 1));
}

TRTMTCNN_HD bool bit(const uint32_t* bits, int i) { return (bits[i / 32] >> (i % 32)) & 1u; }

// Of the kept boxes, the first `keep` of each frame.
struct Cap {
  const DeviceBox* ranked;
  const int* count;
  const uint32_t* kept;
  int keep;
  uint32_t* capped;  // bits; 0 at first

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= *count || !bit(kept, i)) return;
    const int first = first_of_frame(ranked, i);
    if (bits_before(kept, i) - bits_before(kept, first) < keep) atomic_or(capped + i / 32, 1u << (i % 32));
  }
};

// Each kept box becomes the mean, weighted by score, of itself and those it suppressed that overlap it enough.
struct AverageKept {
  const DeviceBox* ranked;
  const int* count;
  const int* status;
  float above;  // intersection over union
  DeviceBox* to;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = *count;
    if (i >= n) return;
    const DeviceBox kept = ranked[i];
    DeviceBox mean = kept;
    if (status[i] == kKept) {
      float total = kept.score;
      scale(mean, kept.score);
      for (int j = i + 1; j < n; ++j) {
        if (status[j] != kSuppressedBy + i || !(overlap(kept, ranked[j], false) > above)) continue;
        DeviceBox other = ranked[j];
        scale(other, other.score);
        add(mean, other);
        total += ranked[j].score;
      }
      scale(mean, 1 / total);
      mean.score = kept.score;
    }
    to[i] = mean;
  }

  TRTMTCNN_HD static void scale(DeviceBox& b, float by) {
    b.x1 *= by;
    b.y1 *= by;
    b.x2 *= by;
    b.y2 *= by;
    for (float& p : b.landmarks) p *= by;
  }

  TRTMTCNN_HD static void add(DeviceBox& b, const DeviceBox& other) {
    b.x1 += other.x1;
    b.y1 += other.y1;
    b.x2 += other.x2;
    b.y2 += other.y2;
    for (int k = 0; k < kLandmarks; ++k) b.landmarks[k] += other.landmarks[k];
  }
};

// Each saved box as many times as it has squares.
struct Repeat {
  const DeviceBox* saved;
  const int* count;
  int squares;
  BoxSet to;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = *count * squares;
    if (i == 0) *to.count = n;
    if (i < n) to.data[i] = saved[i / squares];
  }
};

// Where in the set the square of each order is; 0 at first, for those that are not.
struct FindOrders {
  BoxSet boxes;
  int* places;  // plus one

  TRTMTCNN_HD void operator()(int i) const {
    if (i < boxes.size()) places[boxes.data[i].order] = i + 1;
  }
};

// Makes each saved box the mean of itself and of what its squares have become.
struct AverageIntoSaved {
  const DeviceBox* boxes;
  const int* places;  // of FindOrders
  int squares;
  bool scores;  // else they stay
  DeviceBox* saved;
  const int* count;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= *count) return;
    DeviceBox mean = saved[i];
    float looks = 1, score = mean.score;
    for (int s = 0; s < squares; ++s) {
      const int place = places[i * squares + s];
      if (place == 0) continue;
      const DeviceBox& b = boxes[place - 1];
      AverageKept::add(mean, b);
      score += b.score;
      ++looks;
    }
    AverageKept::scale(mean, 1 / looks);
    if (scores) mean.score = score / looks;
    saved[i] = mean;
  }
};

// Marks the boxes that reach a score.
struct Reaches {
  BoxSet boxes;
  float score;
  uint32_t* bits;

  TRTMTCNN_HD void operator()(int i) const {
    if (i < boxes.size() && boxes.data[i].score >= score) atomic_or(bits + i / 32, 1u << (i % 32));
  }
};

// Moves the boxes whose bit is set together, in order.
struct Compact {
  BoxSet from;
  const uint32_t* bits;
  BoxSet to;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = from.size();
    if (i == 0 && n == 0) *to.count = 0;
    if (i >= n) return;
    const int place = bits_before(bits, i);
    if (bit(bits, i)) to.data[place] = from.data[i];
    if (i == n - 1) *to.count = place + (bit(bits, i) ? 1 : 0);
  }
};

// Adds the pending regression and marks what keeps an area.
struct Regress {
  BoxSet boxes;
  uint32_t* bits;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= boxes.size()) return;
    DeviceBox& b = boxes.data[i];
    b.x1 += b.regression[0];
    b.y1 += b.regression[1];
    b.x2 += b.regression[2];
    b.y2 += b.regression[3];
    if (b.width() > 0 && b.height() > 0) atomic_or(bits + i / 32, 1u << (i % 32));
  }
};

// Squares of whole pixels, as cpu/boxes.h defines them, numbered. Those without a pixel are for others to leave out.
struct Square {
  BoxSet boxes;
  bool truncating;
  const float* scales;  // of box i the one of i modulo their number; null: all 1
  int scale_count;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= boxes.size()) return;
    DeviceBox& b = boxes.data[i];
    b.order = i;
    const float w = b.width(), h = b.height(), side = most(w, h) * (scales ? scales[i % scale_count] : 1);
    b.x1 += (w - side) * 0.5f;
    b.y1 += (h - side) * 0.5f;
    if (truncating) {
      b.x2 = truncf(b.x1 + side - 1);
      b.y2 = truncf(b.y1 + side - 1);
      b.x1 = truncf(b.x1);
      b.y1 = truncf(b.y1);
    } else {
      const float whole = most(1.0f, floorf(side + 0.5f));
      b.x1 = floorf(b.x1 + 0.5f);
      b.y1 = floorf(b.y1 + 0.5f);
      b.x2 = b.x1 + whole - 1;
      b.y2 = b.y1 + whole - 1;
    }
  }
};

struct TruncateAndClip {
  BoxSet boxes;
  const Size* frames;
  bool landmarks;

  TRTMTCNN_HD static float whole(float v, int n) { return clamped(truncf(v), 0.0f, static_cast<float>(n - 1)); }

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= boxes.size()) return;
    DeviceBox& b = boxes.data[i];
    const Size frame = frames[b.frame];
    b.x1 = whole(b.x1, frame.width);
    b.y1 = whole(b.y1, frame.height);
    b.x2 = whole(b.x2, frame.width);
    b.y2 = whole(b.y2, frame.height);
    if (!landmarks) return;
    for (int k = 0; k < kLandmarks; ++k)
      b.landmarks[k] = whole(b.landmarks[k], k < kLandmarks / 2 ? frame.width : frame.height);
  }
};

}  // namespace trtmtcnn::cuda
