#include "mtcnn.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace trtmtcnn {
namespace {

constexpr int64_t kMostPixels = int64_t{1} << 33;  // of a call's levels: minutes of work
static_assert(kMostPixels / (kStride * kStride) - 1 <= std::numeric_limits<int>::max(), "cells are counted in ints");
constexpr int kAll = std::numeric_limits<int>::max();

void check_pixels(std::span<const Level> levels) {
  int64_t pixels = 0;
  for (const Level& level : levels) {
    pixels += int64_t{level.size.height} * level.size.width;
    if (pixels > kMostPixels)
      throw std::invalid_argument("levels are too large: look for larger faces, or at a smaller picture");
  }
}

// The threshold of the first pass where what follows can lift a score: `further` passes of 1 at most, with which it is
// averaged, and three neighbours' votes. A quarter of the final threshold at least, for the time that each box takes.
float first_pass_threshold(float threshold, size_t further, float vote) {
  const float left = (1 - vote) * (1 - vote) * (1 - vote);
  const float mean = vote > 0 ? 1 - (1 - threshold) / left : threshold;
  return std::max(threshold / 4, mean - static_cast<float>(further) * (1 - mean));
}

}  // namespace

void TrtMtcnn::load(std::span<const Image> images, std::span<const Size> sizes, const CascadeOptions& options) {
  options_ = options;
  backend_->load(images, sizes, options.resize);
}

template <typename Stage>
int TrtMtcnn::run(Stage&& stage) {
  try {
    stage();
    return boxes_.count();
  } catch (...) {
    boxes_.discard();
    throw;
  }
}

int TrtMtcnn::pnet(std::span<const Level> levels, float threshold, float nms_level, float nms_frame, int keep,
                   int max_proposals) {
  check_pixels(levels);
  const auto suppress = [&] {
    if (!options_.nms_on_windows) boxes_.regress();
    boxes_.nms({nms_level, Overlap::kIoU, Scope::kLevel}, kAll);
    boxes_.nms({nms_frame, Overlap::kIoU, Scope::kFrame}, keep);
    if (options_.nms_on_windows) boxes_.regress();
    if (options_.whole_pixels) boxes_.truncate_and_clip();
  };
  const PnetSettings settings{threshold,    nms_level, nms_frame, keep, options_.nms_on_windows, options_.whole_pixels,
                              max_proposals};
  return run([&] { backend_->propose(levels, settings, suppress); });
}

int TrtMtcnn::set_boxes(std::span<const Box> boxes) {
  return run([&] { boxes_.assign(boxes); });
}

int TrtMtcnn::rnet(float threshold, float nms_threshold, int keep) {
  return run([&] {
    boxes_.square(options_.whole_pixels);
    backend_->refine(Net::kRnet, {threshold, !options_.whole_pixels, false});
    if (!options_.nms_on_windows) boxes_.regress();
    boxes_.nms({nms_threshold, Overlap::kIoU, Scope::kFrame}, keep);
    if (options_.nms_on_windows) boxes_.regress();
    if (options_.whole_pixels) boxes_.truncate_and_clip();
  });
}

int TrtMtcnn::onet(float threshold, float nms_threshold, const OnetOptions& options) {
  const bool second_pass = !options.tta_scales.empty(), average_scores = options.average_scores && second_pass;
  const auto refine = [&](float least_score, bool flip) {
    backend_->refine(Net::kOnet, {least_score, !options_.whole_pixels, flip});
    boxes_.regress();
  };
  const bool votes = options.vote > 0 && options.average_above < 1;
  const size_t further = average_scores ? options.tta_scales.size() : 0;
  return run([&] {
    boxes_.square(options_.whole_pixels);
    refine(average_scores || votes ? first_pass_threshold(threshold, further, votes ? options.vote : 0) : threshold,
           options.flip && (options.flip_first || !second_pass));
    if (options.average_above < 1)
      boxes_.nms_average(nms_threshold, options.average_above);
    else
      boxes_.nms({nms_threshold, Overlap::kIoMin, Scope::kFrame}, kAll);
    if (second_pass && boxes_.count() > 0) {
      boxes_.save_and_square(options_.whole_pixels, options.tta_scales);
      refine(-std::numeric_limits<float>::infinity(), options.flip);
      boxes_.average_with_saved(average_scores);
    }
    if (votes) boxes_.vote(options.vote);
    if (average_scores || votes) boxes_.drop_below(threshold);
    if (options_.whole_pixels) boxes_.truncate_and_clip();
  });
}

void TrtMtcnn::lnet(bool flip) {
  run([&] {
    if (boxes_.count() == 0) return;
    backend_->refine_landmarks(flip);
    if (options_.whole_pixels) boxes_.truncate_and_clip();
  });
}

}  // namespace trtmtcnn
