// What a detection is asked to do, stage by stage.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "networks.h"
#include "types.h"

namespace trtmtcnn {

// What all stages of a call share.
struct CascadeOptions {
  Resize resize = Resize::kArea;
  bool nms_on_windows = true;  // the authors' order: suppress, then regress
  bool whole_pixels = false;   // truncate and clip boxes and landmarks after every stage
};

// How P-Net proposes and how its proposals are suppressed.
struct PnetSettings {
  float threshold = 0;
  float nms_level = 0, nms_frame = 0;
  int keep = 0;  // boxes a frame, at most
  bool nms_on_windows = true, whole_pixels = false;
  int max_proposals = std::numeric_limits<int>::max();  // before suppression, of a frame; a GPU does not count them
  bool operator==(const PnetSettings&) const = default;
};

struct RnetSettings {
  float threshold = 0, nms = 0;
  int keep = 0;  // boxes a frame, at most
  bool operator==(const RnetSettings&) const = default;
};

// Test-time augmentation (TTA) in the last stage: O-Net runs on several views of a face, whose results are averaged.
struct OnetOptions {
  bool flip = false;              // each crop and its mirror image;
  bool flip_first = false;        // in the first pass, too, where tta_scales asks for a second
  float flip_low = 0;             // in the first pass only of boxes whose score for the crop is from this
  float flip_high = 1;            // to this
  std::vector<float> tta_scales;  // a second pass over the faces found, in squares of each of these; kMostScales
  bool average_scores = false;    // over both passes
  bool tight_landmarks = false;   // of the second pass's landmarks only those of the smallest square count
  float average_above = 1;        // IoU above which the final suppression averages; 1: never
  float vote = 0;                 // of each box averaged, on the score: see voted_score()
  bool operator==(const OnetOptions&) const = default;
};

struct OnetSettings {
  float threshold = 0, nms = 0;
  OnetOptions options;
  bool operator==(const OnetSettings&) const = default;
};

// All stages, for those who want the faces alone.
struct CascadeSettings {
  PnetSettings pnet;
  RnetSettings rnet;
  OnetSettings onet;
  int networks = 3;               // of the first three
  bool refine_landmarks = false;  // L-Net, which there must be, runs, too, on each face and its mirror image
  std::array<int64_t, kNetworks> box_costs{};  // of a box that each network is shown, where frames have budgets
  bool operator==(const CascadeSettings&) const = default;
};

}  // namespace trtmtcnn
