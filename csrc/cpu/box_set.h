// The set of boxes on the CPU.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "boxes.h"
#include "cpu/nms.h"
#include "head_outputs.h"

namespace trtmtcnn::cpu {

using Landmarks = std::array<float, kLandmarks>;

class BoxSet final : public Boxes {
 public:
  void nms(const SuppressionRule& rule, int keep) override;
  void nms_average(float threshold, float average_above) override;
  void regress() override;
  void square(bool truncating) override;
  void truncate_and_clip() override;
  void save_and_keep_between(float low, float high) override;
  void average_outputs_with_saved() override;
  void save_and_square(bool truncating, std::span<const float> scales) override;
  void average_with_saved(bool scores, int landmark_square) override;
  void vote(float vote) override;
  void drop_below(float score) override;
  void assign(std::span<const Box> boxes) override;
  int count() override { return static_cast<int>(boxes_.size()); }
  void read(float* dets, float* landmarks, int* frames) override;

  const std::vector<Box>& boxes() const { return boxes_; }
  void discard() noexcept override { clear(); }
  void clear();
  void set_frames(std::vector<Size> sizes) { frame_sizes_ = std::move(sizes); }
  std::vector<Box>& proposals() { return boxes_; }  // to add to

  // What a network accepts becomes the next set: accept() adds those of boxes [begin, begin + n) whose score is at
  // least `threshold`, end_accepting() makes them the set.
  void begin_accepting();
  void accept(const HeadOutputs& outputs, int begin, int n, float threshold, bool inclusive_landmarks);
  void end_accepting();

  // The landmarks of box i, x1..x5, y1..y5.
  const float* landmarks(int i) const { return landmarks_[i].data(); }
  // Moves those of boxes [begin, begin + n) to where L-Net's outputs say.
  void move_landmarks(const HeadOutputs& outputs, int begin, int n);

 private:
  void swap_next();
  void number_and_drop_empty();
  template <class Keeps>
  void keep_where(Keeps&& keeps);

  std::vector<Size> frame_sizes_;
  std::vector<Box> boxes_, next_boxes_, saved_boxes_;
  std::vector<Landmarks> landmarks_, next_landmarks_, saved_landmarks_;  // empty before O-Net, else one a box
  int squares_ = 0;                                                      // of each saved box
  Nms nms_;
  std::vector<int> means_;     // of a box kept: the index of its mean
  std::vector<float> totals_;  // of the scores in each mean
};

}  // namespace trtmtcnn::cpu
