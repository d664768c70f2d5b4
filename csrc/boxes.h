// The boxes that a call carries from stage to stage, in the device's memory.
#pragma once

#include <cstdint>
#include <span>

#include "box.h"

namespace trtmtcnn {

// What a set of boxes is about to be shown.
enum class Next { kRnet, kOnet, kMirrorImages, kFaces };  // faces: O-Net's second pass, L-Net, the caller
inline constexpr int kNexts = 4;

inline constexpr int kMostScales = 16;  // of save_and_square()
inline constexpr int kAllSquares = -1;  // of average_with_saved()

// What a frame may still cost, less than 0 where it would have cost more; and the boxes that each network was shown.
struct FrameWork {
  int64_t left = 0;
  int boxes[kNetworks] = {};
};

class Boxes {
 public:
  virtual ~Boxes() = default;

  // Empties the set, whatever state an error has left it in.
  virtual void discard() noexcept = 0;

  // Greedy non-maximum suppression; leaves at most `keep` boxes a frame, in the order of ranks_before().
  virtual void nms(const SuppressionRule& rule, int keep) = 0;
  // The same by Overlap::kIoMin in a frame. Each survivor becomes the mean, weighted by score, of itself and of those
  // it suppressed with an intersection over union above `average_above`, its neighbours from then on.
  virtual void nms_average(float threshold, float average_above) = 0;
  // Adds the pending regression; drops boxes left without width or height.
  virtual void regress() = 0;
  // Makes each box square, see make_square(), and drops those left without a pixel. A box's order becomes its index in
  // the set before.
  virtual void square(bool truncating) = 0;
  // Truncates boxes and landmarks to whole pixels and clips them to the frame.
  virtual void truncate_and_clip() = 0;

  // Saves the set and leaves the boxes whose score is from `low` to `high`, as they are.
  virtual void save_and_keep_between(float low, float high) = 0;
  // Brings the saved set back, in which each box that is still in the set has the mean of the network's outputs for it
  // there and here: score, pending regression and landmarks.
  virtual void average_outputs_with_saved() = 0;

  // Saves the set and replaces each box by one square for each scale, of which there are kMostScales at most.
  virtual void save_and_square(bool truncating, std::span<const float> scales) = 0;
  // Brings the saved set back. Each box and its landmarks become the mean of themselves and of those of its squares
  // that are still in the set; scores too, where `scores` is set. landmark_square: the one of its squares, in the order
  // of their scales, whose landmarks count; kAllSquares: all.
  virtual void average_with_saved(bool scores, int landmark_square) = 0;
  // Raises the scores by the votes of the boxes' neighbours, see voted_score().
  virtual void vote(float vote) = 0;
  // Drops boxes with lower scores; leaves the set in the order of ranks_before().
  virtual void drop_below(float score) = 0;

  // Replaces the set by these boxes, which have no landmarks.
  virtual void assign(std::span<const Box> boxes) = 0;

  virtual int count() = 0;
  // The number of boxes, or, where a backend runs ahead, of those that there may be.
  virtual int left(Next /*next*/) { return count(); }
  // Where a backend runs ahead with budgets: takes what the boxes cost that `net` is about to be shown from those of
  // their frames, and drops the boxes of each frame whose budget that exceeds.
  virtual void charge(Net /*net*/) {}
  // A frame each, once the boxes are counted; empty where no work was charged.
  virtual std::span<const FrameWork> work() const { return {}; }
  // Copies the set out in its order: dets[i] = x1, y1, x2, y2, score; landmarks (may be null) x1..x5, y1..y5;
  // frames[i] the index of its frame.
  virtual void read(float* dets, float* landmarks, int* frames) = 0;
};

}  // namespace trtmtcnn
