#include "mtcnn.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

namespace trtmtcnn {
namespace {

constexpr int64_t kMostPixels = int64_t{1} << 33;  // of a call's levels: minutes of work
static_assert(kMostPixels / (kStride * kStride) - 1 <= std::numeric_limits<int>::max(), "cells are counted in ints");
constexpr int kAll = std::numeric_limits<int>::max();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

void check_pixels(std::span<const Level> levels) {
  int64_t pixels = 0;
  for (const Level& level : levels) {
    pixels += int64_t{level.size.height} * level.size.width;
    if (pixels > kMostPixels)
      throw std::invalid_argument("levels are too large: look for larger faces, or at a smaller picture");
  }
}

void check_scales(const OnetOptions& options) {
  if (options.tta_scales.size() > kMostScales)
    throw std::invalid_argument("tta_scales must be " + std::to_string(kMostScales) + " at most, got " +
                                std::to_string(options.tta_scales.size()));
}

// The threshold of the first pass where what follows can lift a score: `further` passes of 1 at most, with which it is
// averaged, and three neighbours' votes. A quarter of the final threshold at least, for the time that each box takes.
float first_pass_threshold(float threshold, size_t further, float vote) {
  const float left = (1 - vote) * (1 - vote) * (1 - vote);
  const float mean = vote > 0 ? 1 - (1 - threshold) / left : threshold;
  return std::max(threshold / 4, mean - static_cast<float>(further) * (1 - mean));
}

int smallest(const std::vector<float>& scales) {
  return static_cast<int>(std::min_element(scales.begin(), scales.end()) - scales.begin());
}

}  // namespace

void TrtMtcnn::load(std::span<const Image> images, std::span<const Size> sizes, const CascadeOptions& options) {
  options_ = options;
  backend_->load(images, sizes, options.resize);
}

template <typename Stage>
void TrtMtcnn::discard_on_error(Stage&& stage) {
  try {
    stage();
  } catch (...) {
    boxes_.discard();
    throw;
  }
}

template <typename Stage>
int TrtMtcnn::run(Stage&& stage) {
  int left = 0;
  discard_on_error([&] {
    stage();
    left = boxes_.count();
  });
  return left;
}

void TrtMtcnn::suppress_proposals(const PnetSettings& settings) {
  if (!options_.nms_on_windows) boxes_.regress();
  boxes_.nms({settings.nms_level, Overlap::kIoU, Scope::kLevel}, kAll);
  boxes_.nms({settings.nms_frame, Overlap::kIoU, Scope::kFrame}, settings.keep);
  if (options_.nms_on_windows) boxes_.regress();
  if (options_.whole_pixels) boxes_.truncate_and_clip();
}

void TrtMtcnn::run_rnet(const RnetSettings& settings) {
  boxes_.square(options_.whole_pixels);
  backend_->refine(Net::kRnet, {settings.threshold, !options_.whole_pixels});
  if (!options_.nms_on_windows) boxes_.regress();
  boxes_.nms({settings.nms, Overlap::kIoU, Scope::kFrame}, settings.keep);
  if (options_.nms_on_windows) boxes_.regress();
  if (options_.whole_pixels) boxes_.truncate_and_clip();
}

void TrtMtcnn::run_onet(const OnetSettings& settings) {
  const OnetOptions& options = settings.options;
  const bool second_pass = !options.tta_scales.empty(), average_scores = options.average_scores && second_pass;
  const auto refine = [&](float least_score, Views views) {
    backend_->refine(Net::kOnet, {least_score, !options_.whole_pixels, views});
  };
  const bool votes = options.vote > 0 && options.average_above < 1;
  const size_t further = average_scores ? options.tta_scales.size() : 0;
  const float first = average_scores || votes
                          ? first_pass_threshold(settings.threshold, further, votes ? options.vote : 0)
                          : settings.threshold;
  const bool flips_first = options.flip && (options.flip_first || !second_pass);
  const bool flips_all = options.flip_low <= 0 && options.flip_high >= 1;
  boxes_.square(options_.whole_pixels);
  if (flips_first && !flips_all) {
    refine(std::min(first, options.flip_low), Views::kCrop);
    boxes_.save_and_keep_between(options.flip_low, options.flip_high);
    if (boxes_.left(Next::kMirrorImages) > 0) refine(-kInfinity, Views::kMirrorImage);
    boxes_.average_outputs_with_saved();
    boxes_.drop_below(first);
  } else {
    refine(first, flips_first ? Views::kBoth : Views::kCrop);
  }
  boxes_.regress();
  if (options.average_above < 1)
    boxes_.nms_average(settings.nms, options.average_above);
  else
    boxes_.nms({settings.nms, Overlap::kIoMin, Scope::kFrame}, kAll);
  if (second_pass && boxes_.left(Next::kFaces) > 0) {
    boxes_.save_and_square(options_.whole_pixels, options.tta_scales);
    refine(-kInfinity, options.flip ? Views::kBoth : Views::kCrop);
    boxes_.regress();
    boxes_.average_with_saved(average_scores, options.tight_landmarks ? smallest(options.tta_scales) : kAllSquares);
  }
  if (votes) boxes_.vote(options.vote);
  if (average_scores || votes) boxes_.drop_below(settings.threshold);
  if (options_.whole_pixels) boxes_.truncate_and_clip();
}

void TrtMtcnn::run_lnet(bool flip) {
  backend_->refine_landmarks(flip);
  if (options_.whole_pixels) boxes_.truncate_and_clip();
}

int TrtMtcnn::pnet(std::span<const Level> levels, float threshold, float nms_level, float nms_frame, int keep,
                   int max_proposals) {
  check_pixels(levels);
  const PnetSettings settings{threshold,    nms_level, nms_frame, keep, options_.nms_on_windows, options_.whole_pixels,
                              max_proposals};
  const auto suppress = [&] { suppress_proposals(settings); };
  return run([&] { backend_->propose(levels, settings, suppress); });
}

int TrtMtcnn::set_boxes(std::span<const Box> boxes) {
  return run([&] { boxes_.assign(boxes); });
}

int TrtMtcnn::rnet(float threshold, float nms_threshold, int keep) {
  return run([&] { run_rnet({threshold, nms_threshold, keep}); });
}

int TrtMtcnn::onet(float threshold, float nms_threshold, const OnetOptions& options) {
  check_scales(options);
  return run([&] { run_onet({threshold, nms_threshold, options}); });
}

void TrtMtcnn::lnet(bool flip) {
  run([&] {
    if (boxes_.count() > 0) run_lnet(flip);
  });
}

void TrtMtcnn::after_pnet(const CascadeSettings& settings) {
  if (settings.networks < 2) return;
  boxes_.charge(Net::kRnet);
  if (boxes_.left(Next::kRnet) == 0) return;
  run_rnet(settings.rnet);
  if (settings.networks < 3) return;
  boxes_.charge(Net::kOnet);
  if (boxes_.left(Next::kOnet) == 0) return;
  run_onet(settings.onet);
  if (settings.refine_landmarks) boxes_.charge(Net::kLnet);
  if (boxes_.left(Next::kFaces) > 0 && settings.refine_landmarks) run_lnet(true);
}

int TrtMtcnn::detect(std::span<const Level> levels, CascadeSettings settings, std::span<const int64_t> budgets) {
  begin_detect(levels, std::move(settings), budgets);
  return finish_detect();
}

void TrtMtcnn::begin_detect(std::span<const Level> levels, CascadeSettings settings, std::span<const int64_t> budgets) {
  if (!budgets.empty() && !runs_ahead())
    throw std::invalid_argument(
        "budgets are for a device on which all stages are enqueued at once: call them one by one");
  check_pixels(levels);
  check_scales(settings.onet.options);
  settings.pnet.nms_on_windows = options_.nms_on_windows;
  settings.pnet.whole_pixels = options_.whole_pixels;
  begun_ = std::move(settings);
  budgets_.assign(budgets.begin(), budgets.end());
  const auto suppress = [&] { suppress_proposals(begun_.pnet); };
  const auto later = [&] { after_pnet(begun_); };
  discard_on_error([&] { backend_->begin_cascade(levels, begun_, budgets_, suppress, later); });
}

int TrtMtcnn::finish_detect() {
  const auto suppress = [&] { suppress_proposals(begun_.pnet); };
  const auto later = [&] { after_pnet(begun_); };
  return run([&] { backend_->finish_cascade(begun_, budgets_, suppress, later); });
}

int TrtMtcnn::refine(std::span<const Box> boxes, CascadeSettings settings) {
  check_scales(settings.onet.options);
  settings.pnet = {};
  settings.pnet.nms_on_windows = options_.nms_on_windows;
  settings.pnet.whole_pixels = options_.whole_pixels;
  const auto later = [&] { after_pnet(settings); };
  return run([&] { backend_->cascade(boxes, settings, later); });
}

}  // namespace trtmtcnn
