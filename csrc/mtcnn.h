// The stages of MTCNN, written once over Backend. Python reaches it as pytrt.Stages.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "backend.h"

namespace trtmtcnn {

// What all stages of a call share.
struct CascadeOptions {
  Resize resize = Resize::kArea;
  bool nms_on_windows = true;  // the authors' order: suppress, then regress
  bool whole_pixels = false;   // truncate and clip boxes and landmarks after every stage
};

// Test-time augmentation (TTA) in the last stage: O-Net runs on several views of a face, whose results are averaged.
struct OnetOptions {
  bool flip = false;              // each crop and its mirror image;
  bool flip_first = false;        // in the first pass, too, where tta_scales asks for a second
  std::vector<float> tta_scales;  // a second pass over the faces found, in squares of each of these scales
  bool average_scores = false;    // over both passes
  float average_above = 1;        // IoU above which the final suppression averages; 1: never
  float vote = 0;                 // of each box averaged, on the score: see voted_score()
};

// All networks on one device, for one thread at a time. In Python it is pytrt.Stages; pytrt.PyTrtMtcnn is one
// network, and mtcnn.TrtMtcnn the detector, which has a pytrt.Stages for each thread.
class TrtMtcnn {
 public:
  explicit TrtMtcnn(std::unique_ptr<Backend> backend) : backend_(std::move(backend)), boxes_(backend_->boxes()) {}

  void load(std::span<const Image> images, std::span<const Size> sizes, const CascadeOptions& options);
  void unload() { backend_->unload(); }

  // Each stage returns the number of boxes it leaves; none where it throws. More proposals than `max_proposals` in a
  // frame, before their suppression, are an invalid argument.
  int pnet(std::span<const Level> levels, float threshold, float nms_level, float nms_frame, int keep,
           int max_proposals = std::numeric_limits<int>::max());
  // In the place of pnet(): boxes that are known already, as from a frame before, for rnet() and onet().
  int set_boxes(std::span<const Box> boxes);
  int rnet(float threshold, float nms_threshold, int keep);
  int onet(float threshold, float nms_threshold, const OnetOptions& options);
  // Refines the landmarks that onet() left. flip: as OnetOptions has it.
  void lnet(bool flip);

  Boxes& boxes() { return boxes_; }

 private:
  template <typename Stage>
  int run(Stage&& stage);

  std::unique_ptr<Backend> backend_;
  Boxes& boxes_;
  CascadeOptions options_;
};

}  // namespace trtmtcnn
