#include "cpu/box_set.h"

#include <algorithm>
#include <limits>

namespace trtmtcnn::cpu {
namespace {

void divide(Box& sum, float by) {
  sum.x1 /= by;
  sum.y1 /= by;
  sum.x2 /= by;
  sum.y2 /= by;
}

void divide(Landmarks& sum, float by) {
  for (float& p : sum) p /= by;
}

}  // namespace

void BoxSet::clear() {
  boxes_.clear();
  landmarks_.clear();
}

void BoxSet::swap_next() {
  boxes_.swap(next_boxes_);
  landmarks_.swap(next_landmarks_);
}

// Keeps the boxes for which keeps(box) is true, which may change it.
template <class Keeps>
void BoxSet::keep_where(Keeps&& keeps) {
  size_t left = 0;
  for (size_t i = 0; i < boxes_.size(); ++i) {
    Box box = boxes_[i];
    if (!keeps(box)) continue;
    if (!landmarks_.empty()) landmarks_[left] = landmarks_[i];
    boxes_[left++] = box;
  }
  boxes_.resize(left);
  if (!landmarks_.empty()) landmarks_.resize(left);
}

void BoxSet::nms(const SuppressionRule& rule, int keep) {
  next_boxes_.clear();
  next_landmarks_.clear();
  for (const int i : nms_.run(boxes_, rule, keep)) {
    next_boxes_.push_back(boxes_[i]);
    if (!landmarks_.empty()) next_landmarks_.push_back(landmarks_[i]);
  }
  swap_next();
}

void BoxSet::nms_average(float threshold, float average_above) {
  nms_.run(boxes_, {threshold, Overlap::kIoMin, Scope::kFrame}, std::numeric_limits<int>::max());
  next_boxes_.clear();
  next_landmarks_.clear();
  totals_.clear();
  means_.resize(boxes_.size());
  // A suppressor comes before the boxes it suppresses, so the index of its mean is known by then.
  for (const int i : nms_.order()) {
    const Box& b = boxes_[i];
    int kept = nms_.suppressor(i);
    if (kept < 0) {
      kept = i;
      means_[i] = static_cast<int>(next_boxes_.size());
      totals_.push_back(0);
      next_boxes_.push_back(b);
      next_boxes_.back().x1 = next_boxes_.back().y1 = next_boxes_.back().x2 = next_boxes_.back().y2 = 0;
      if (!landmarks_.empty()) next_landmarks_.emplace_back();
    } else if (overlap(boxes_[kept], b, Overlap::kIoU) <= average_above) {
      continue;
    }
    const int m = means_[kept];
    if (kept != i) ++next_boxes_[m].neighbours;
    totals_[m] += b.score;
    add_sides(next_boxes_[m], b, b.score);
    if (!landmarks_.empty()) add_landmarks(next_landmarks_[m].data(), landmarks_[i].data(), b.score);
  }
  for (size_t m = 0; m < next_boxes_.size(); ++m) {
    divide(next_boxes_[m], totals_[m]);
    if (!landmarks_.empty()) divide(next_landmarks_[m], totals_[m]);
  }
  swap_next();
}

void BoxSet::regress() {
  keep_where([](Box& box) {
    trtmtcnn::regress(box);
    return has_area(box);
  });
}

void BoxSet::square(bool truncating) {
  for (Box& box : boxes_) make_square(box, truncating, 1);
  number_and_drop_empty();
}

void BoxSet::number_and_drop_empty() {
  for (size_t i = 0; i < boxes_.size(); ++i) boxes_[i].order = static_cast<int>(i);
  std::erase_if(boxes_, [](const Box& b) { return !has_pixel(b); });
}

void BoxSet::truncate_and_clip() {
  for (Box& box : boxes_) trtmtcnn::truncate_and_clip(box, frame_sizes_[box.frame]);
  for (size_t i = 0; i < landmarks_.size(); ++i)
    trtmtcnn::truncate_and_clip(landmarks_[i].data(), frame_sizes_[boxes_[i].frame]);
}

void BoxSet::save_and_keep_between(float low, float high) {
  saved_boxes_ = boxes_;
  saved_landmarks_ = landmarks_;
  for (size_t i = 0; i < boxes_.size(); ++i) boxes_[i].order = static_cast<int>(i);
  keep_where([&](const Box& box) { return box.score >= low && box.score <= high; });
}

void BoxSet::average_outputs_with_saved() {
  for (size_t i = 0; i < boxes_.size(); ++i) {
    const int s = boxes_[i].order;
    average_outputs(saved_boxes_[s], boxes_[i]);
    if (!landmarks_.empty()) average_landmarks(saved_landmarks_[s].data(), landmarks_[i].data());
  }
  boxes_.swap(saved_boxes_);
  landmarks_.swap(saved_landmarks_);
}

void BoxSet::save_and_square(bool truncating, std::span<const float> scales) {
  boxes_.swap(saved_boxes_);
  landmarks_.swap(saved_landmarks_);
  clear();
  squares_ = static_cast<int>(scales.size());
  for (const Box& box : saved_boxes_) {
    for (const float scale : scales) {
      boxes_.push_back(box);
      make_square(boxes_.back(), truncating, scale);
    }
  }
  number_and_drop_empty();
}

void BoxSet::average_with_saved(bool scores, int landmark_square) {
  size_t i = 0;  // squares are in the order of their boxes
  for (size_t s = 0; s < saved_boxes_.size(); ++s) {
    Box& mean = saved_boxes_[s];
    float summed = 1, summed_landmarks = 1;
    for (; i < boxes_.size() && boxes_[i].order / squares_ == static_cast<int>(s); ++i) {
      add_sides(mean, boxes_[i], 1);
      if (scores) mean.score += boxes_[i].score;
      ++summed;
      if (landmark_square != kAllSquares && boxes_[i].order % squares_ != landmark_square) continue;
      if (!landmarks_.empty()) add_landmarks(saved_landmarks_[s].data(), landmarks_[i].data(), 1);
      ++summed_landmarks;
    }
    divide(mean, summed);
    if (scores) mean.score /= summed;
    if (!saved_landmarks_.empty()) divide(saved_landmarks_[s], summed_landmarks);
  }
  boxes_.swap(saved_boxes_);
  landmarks_.swap(saved_landmarks_);
}

void BoxSet::vote(float vote) {
  for (Box& box : boxes_) box.score = voted_score(box, vote);
}

void BoxSet::drop_below(float score) {
  // No overlap is above infinity: this only orders the boxes.
  nms({std::numeric_limits<float>::infinity(), Overlap::kIoU, Scope::kFrame}, count());
  keep_where([&](const Box& box) { return box.score >= score; });
}

void BoxSet::assign(std::span<const Box> boxes) {
  boxes_.assign(boxes.begin(), boxes.end());
  landmarks_.clear();
}

void BoxSet::begin_accepting() {
  next_boxes_.clear();
  next_landmarks_.clear();
}

void BoxSet::accept(const HeadOutputs& outputs, int begin, int n, float threshold, bool inclusive_landmarks) {
  for (int i = 0; i < n; ++i) {
    if (!outputs.accepts(i, threshold)) continue;
    Box box = boxes_[begin + i];
    outputs.apply(i, box);
    if (outputs.landmarks) outputs.write_landmarks(i, box, inclusive_landmarks, next_landmarks_.emplace_back().data());
    next_boxes_.push_back(box);
  }
}

void BoxSet::end_accepting() { swap_next(); }

void BoxSet::move_landmarks(const HeadOutputs& outputs, int begin, int n) {
  for (int i = 0; i < n; ++i) outputs.move_landmarks(i, boxes_[begin + i], landmarks_[begin + i].data());
}

void BoxSet::read(float* dets, float* landmarks, int* frames) {
  for (size_t i = 0; i < boxes_.size(); ++i) {
    boxes_[i].write(dets + 5 * i);
    if (landmarks && !landmarks_.empty())
      std::copy(landmarks_[i].begin(), landmarks_[i].end(), landmarks + kLandmarks * i);
    frames[i] = boxes_[i].frame;
  }
}

}  // namespace trtmtcnn::cpu
