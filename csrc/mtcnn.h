// The three stages of MTCNN, written once over Backend.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backend.h"
#include "engine.h"

namespace trtmtcnn {

// What the stages of a call share.
struct CascadeOptions {
  Resize resize = Resize::kArea;
  bool nms_on_windows = true;   // the authors' order: suppress, then regress
  bool whole_pixels = false;    // truncate and clip boxes and landmarks after every stage
  bool mirror = false;          // O-Net on each crop and its mirror image, averaged,
  bool mirror_first = false;    // in its first look, too, where there are further ones
  std::vector<float> looks;     // O-Net again on what it found, in squares of each of these scales, averaged
  bool average_scores = false;  // of all looks
  float average_above = 1;      // overlap above which the final suppression averages; 1: never
};

// All three networks on one device, for one thread at a time. In Python it is pytrt.Stages; pytrt.PyTrtMtcnn is one
// network, and mtcnn.TrtMtcnn the detector, which has a pytrt.Stages for each thread.
class TrtMtcnn {
 public:
  TrtMtcnn(std::unique_ptr<Backend> backend, std::shared_ptr<Engine> pnet, std::shared_ptr<Engine> rnet,
           std::shared_ptr<Engine> onet);

  void load(std::span<const Image> images, std::span<const Size> sizes, const CascadeOptions& options);
  void unload() { backend_->unload(); }

  // Each stage returns the number of boxes it leaves.
  int pnet(std::span<const Level> levels, float threshold, float nms_level, float nms_frame, int keep);
  int rnet(float threshold, float nms_threshold, int keep);
  int onet(float threshold, float nms_threshold);

  Backend& backend() { return *backend_; }
  const Backend& backend() const { return *backend_; }

 private:
  struct Stage {
    std::shared_ptr<Engine> engine;
    std::unique_ptr<Context> context;
    explicit Stage(std::shared_ptr<Engine> e) : engine(std::move(e)), context(engine->context()) {}
  };

  std::unique_ptr<Backend> backend_;
  Stage pnet_, rnet_, onet_;
  CascadeOptions options_;
  std::vector<Level> levels_;  // what plan_ was made for
  std::vector<Canvas> plan_;
};

}  // namespace trtmtcnn
