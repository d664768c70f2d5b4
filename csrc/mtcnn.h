// The stages of MTCNN, written once over Backend. Python reaches it as pytrt.Stages.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "backend.h"
#include "settings.h"

namespace trtmtcnn {

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

  // All stages at once, which leave what they leave one by one. The settings' options are load()'s. budgets: what each
  // frame may cost, by the settings' box_costs, where all runs_ahead(); work() tells what it did.
  int detect(std::span<const Level> levels, CascadeSettings settings, std::span<const int64_t> budgets = {});
  // The same in two: what the device is asked to do, and the wait for its boxes. Nothing but load() and unload(), which
  // drop them, comes in between.
  void begin_detect(std::span<const Level> levels, CascadeSettings settings, std::span<const int64_t> budgets = {});
  int finish_detect();
  int refine(std::span<const Box> boxes, CascadeSettings settings);
  // Whether that saves waiting for the device between them.
  bool runs_ahead() const { return backend_->runs_ahead(); }

  Boxes& boxes() { return boxes_; }
  std::span<const FrameWork> work() const { return boxes_.work(); }

 private:
  template <typename Stage>
  void discard_on_error(Stage&& stage);
  // Returns the number of boxes that the stage leaves.
  template <typename Stage>
  int run(Stage&& stage);
  // What stages do; boxes are counted by others.
  void suppress_proposals(const PnetSettings& settings);
  void after_pnet(const CascadeSettings& settings);
  void run_rnet(const RnetSettings& settings);
  void run_onet(const OnetSettings& settings);
  void run_lnet(bool flip);

  std::unique_ptr<Backend> backend_;
  Boxes& boxes_;
  CascadeOptions options_;
  CascadeSettings begun_;  // by begin_detect(); budgets_, too
  std::vector<int64_t> budgets_;
};

}  // namespace trtmtcnn
