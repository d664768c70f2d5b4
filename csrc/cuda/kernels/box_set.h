// Operations on the set of boxes. Their number is on the device: kernels are launched for as many as there may be, and
// each finds out whether it has one.
#pragma once

#include "box.h"
#include "boxes.h"
#include "cuda/device_functions.h"
#include "head_outputs.h"

namespace trtmtcnn::cuda {

struct DeviceBox : Box {
  float landmarks[kLandmarks] = {};
};

struct DeviceBoxes {
  DeviceBox* data;
  int* count;  // may exceed capacity: then boxes were lost
  int capacity;

  TRTMTCNN_HD int size() const { return min(*count, capacity); }
};

// One bit a box.
TRTMTCNN_HD void set_bit(uint32_t* bits, int i) { atomic_or(bits + i / 32, 1u << (i % 32)); }
TRTMTCNN_HD bool bit(const uint32_t* bits, int i) { return (bits[i / 32] >> (i % 32)) & 1u; }

// Bits set before bit i.
TRTMTCNN_HD int bits_before(const uint32_t* bits, int i) {
  int n = 0;
  for (int w = 0; w < i / 32; ++w) n += popcount(bits[w]);
  return n + popcount(bits[i / 32] & ((1u << (i % 32)) - 1));
}

// Keeps the larger of *to and the count, lost boxes included.
struct KeepLargerCount {
  const int* from;
  int* to;
  TRTMTCNN_HD void operator()(int) const { *to = max(*to, *from); }
};

// Leaves as many boxes as there is room for, and keeps the number that there was in *needed.
struct Limit {
  int* count;
  int room;
  int* needed;

  TRTMTCNN_HD void operator()(int) const {
    *needed = max(*needed, *count);
    *count = min(*count, room);
  }
};

// Counts the boxes of each frame that a network is about to be shown.
struct CountWork {
  DeviceBoxes boxes;
  FrameWork* work;
  int net;

  TRTMTCNN_HD void operator()(int i) const {
    if (i < boxes.size()) atomic_add(&work[boxes.data[i].frame].boxes[net], 1);
  }
};

// Takes what these boxes cost from a frame's budget. A frame that has spent more than it had has no boxes any more.
struct ChargeWork {
  FrameWork* work;
  int net;
  int64_t cost;  // of a box

  TRTMTCNN_HD void operator()(int frame) const { work[frame].left -= cost * work[frame].boxes[net]; }
};

// Both, of a set of one frame alone, and empties it where it costs too much.
struct ChargeOnlyFrame {
  DeviceBoxes boxes;
  FrameWork* work;
  int net;
  int64_t cost;

  TRTMTCNN_HD void operator()(int) const {
    work->boxes[net] = boxes.size();
    work->left -= cost * boxes.size();
    if (work->left < 0) *boxes.count = 0;
  }
};

// Marks the boxes of frames that have spent no more than they had.
struct MarkAffordable {
  DeviceBoxes boxes;
  const FrameWork* work;
  uint32_t* bits;

  TRTMTCNN_HD void operator()(int i) const {
    if (i < boxes.size() && work[boxes.data[i].frame].left >= 0) set_bit(bits, i);
  }
};

// Moves the boxes whose bit is set together, in order.
struct Compact {
  DeviceBoxes from;
  const uint32_t* bits;
  DeviceBoxes to;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = from.size();
    if (i == 0 && n == 0) *to.count = 0;
    if (i >= n) return;
    const int place = bits_before(bits, i);
    if (bit(bits, i)) to.data[place] = from.data[i];
    if (i == n - 1) *to.count = place + (bit(bits, i) ? 1 : 0);
  }
};

// Adds the pending regression and marks the boxes that keep an area.
struct Regress {
  DeviceBoxes boxes;
  uint32_t* bits;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= boxes.size()) return;
    regress(boxes.data[i]);
    if (has_area(boxes.data[i])) set_bit(bits, i);
  }
};

// Marks the boxes that reach a score.
struct ReachesScore {
  DeviceBoxes boxes;
  float score;
  uint32_t* bits;

  TRTMTCNN_HD void operator()(int i) const {
    if (i < boxes.size() && boxes.data[i].score >= score) set_bit(bits, i);
  }
};

struct Vote {
  DeviceBoxes boxes;
  float vote;

  TRTMTCNN_HD void operator()(int i) const {
    if (i < boxes.size()) boxes.data[i].score = voted_score(boxes.data[i], vote);
  }
};

// Of squares, in units of their boxes; box i gets the scale i modulo their number. In a kernel's arguments, which work
// that is captured holds, as it does not hold the memory of an upload.
struct Scales {
  float values[kMostScales] = {1};
  int count = 1;
};

// Makes the boxes square and numbers them. Those left without a pixel stay; crops and Accept leave them out.
struct Square {
  DeviceBoxes boxes;
  bool truncating;
  Scales scales;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= boxes.size()) return;
    boxes.data[i].order = i;
    make_square(boxes.data[i], truncating, scales.values[i % scales.count]);
  }
};

struct TruncateAndClip {
  DeviceBoxes boxes;
  const Size* frames;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= boxes.size()) return;
    DeviceBox& b = boxes.data[i];
    truncate_and_clip(b, frames[b.frame]);
    truncate_and_clip(b.landmarks, frames[b.frame]);
  }
};

// Adds box begin + i to the next set where the network gives it a score of at least the threshold.
struct Accept {
  DeviceBoxes from;
  int begin;
  HeadOutputs outputs;
  float threshold;
  bool inclusive_landmarks;
  DeviceBoxes to;

  TRTMTCNN_HD void operator()(int i) const {
    if (begin + i >= from.size()) return;
    if (!outputs.accepts(i, threshold)) return;
    DeviceBox box = from.data[begin + i];
    if (!has_pixel(box)) return;
    outputs.apply(i, box);
    if (outputs.landmarks) outputs.write_landmarks(i, box, inclusive_landmarks, box.landmarks);
    to.data[atomic_add(to.count, 1)] = box;  // never more than there were
  }
};

// Moves the landmarks of box begin + i to where L-Net's outputs say.
struct MoveLandmarks {
  DeviceBoxes boxes;
  int begin;
  HeadOutputs outputs;

  TRTMTCNN_HD void operator()(int i) const {
    if (begin + i >= boxes.size()) return;
    outputs.move_landmarks(i, boxes.data[begin + i], boxes.data[begin + i].landmarks);
  }
};

// The sides and landmarks of sums, made those of means.
TRTMTCNN_HD void divide(DeviceBox& sum, float by, float landmarks_by) {
  sum.x1 /= by;
  sum.y1 /= by;
  sum.x2 /= by;
  sum.y2 /= by;
  for (float& p : sum.landmarks) p /= landmarks_by;
}

TRTMTCNN_HD void add(DeviceBox& sum, const DeviceBox& b, float weight) {
  add_sides(sum, b, weight);
  add_landmarks(sum.landmarks, b.landmarks, weight);
}

// Adds the saved boxes whose score is from `low` to `high` to a set, each with its index as its order.
struct KeepBetween {
  const DeviceBox* saved;
  const int* count;
  float low, high;
  DeviceBoxes to;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= *count || !(saved[i].score >= low && saved[i].score <= high)) return;
    DeviceBox box = saved[i];
    box.order = i;
    to.data[atomic_add(to.count, 1)] = box;  // never more than are saved
  }
};

// Averages what a network says of each box with what it said of the saved box that it is.
struct AverageOutputsIntoSaved {
  DeviceBoxes boxes;
  DeviceBox* saved;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= boxes.size()) return;
    DeviceBox& mean = saved[boxes.data[i].order];
    average_outputs(mean, boxes.data[i]);
    average_landmarks(mean.landmarks, boxes.data[i].landmarks);
  }
};

// Writes each saved box once for each of its squares.
struct CopyForSquares {
  const DeviceBox* saved;
  const int* count;
  int squares;
  DeviceBoxes to;

  TRTMTCNN_HD void operator()(int i) const {
    const int n = *count * squares;
    if (i == 0) *to.count = n;
    if (i < n) to.data[i] = saved[i / squares];
  }
};

// Writes 1 + the index of the box of each order; 0 at first, and for orders that are gone.
struct IndexByOrder {
  DeviceBoxes boxes;
  int* indices;

  TRTMTCNN_HD void operator()(int i) const {
    if (i < boxes.size()) indices[boxes.data[i].order] = i + 1;
  }
};

// Makes each saved box the mean of itself and of those of its squares that are left.
struct AverageIntoSaved {
  const DeviceBox* boxes;
  const int* indices;  // of IndexByOrder
  int squares;
  bool scores;          // else they stay
  int landmark_square;  // whose landmarks count, or kAllSquares
  DeviceBox* saved;
  const int* count;

  TRTMTCNN_HD void operator()(int i) const {
    if (i >= *count) return;
    DeviceBox mean = saved[i];
    float summed = 1, summed_landmarks = 1, score = mean.score;
    for (int s = 0; s < squares; ++s) {
      const int index = indices[i * squares + s];
      if (index == 0) continue;
      const DeviceBox& box = boxes[index - 1];
      add_sides(mean, box, 1);
      score += box.score;
      ++summed;
      if (landmark_square != kAllSquares && s != landmark_square) continue;
      add_landmarks(mean.landmarks, box.landmarks, 1);
      ++summed_landmarks;
    }
    divide(mean, summed, summed_landmarks);
    if (scores) mean.score = score / summed;
    saved[i] = mean;
  }
};

}  // namespace trtmtcnn::cuda
