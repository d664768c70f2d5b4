// Backend on the CPU.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "answers.h"
#include "backend.h"
#include "cpu/boxes.h"
#include "cpu/frame.h"
#include "cpu/nets/native_engine.h"
#include "cpu/nets/pnet_rows.h"
#include "cpu/nms.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cpu {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(std::shared_ptr<ThreadPool> pool);

  // Wide enough that tiles overlap little, small enough that a layer's activations stay in cache.
  PackLimits pack_limits() const override { return {{128, 256, 384, 512}, 512}; }
  // Larger batches gain nothing once one fills the cores, and cost memory.
  int max_batch(int side) const override { return side < 48 ? 64 : 32; }
  void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) override;
  void unload() override;
  void begin(std::span<const Level> levels) override;
  bool propose_levels(std::span<const Level> levels, const Engine& pnet, float threshold, Resize mode) override;
  void pyramid(const Canvas& canvas, Resize mode) override;
  void propose(Context& pnet, const Engine& engine, const Canvas& canvas, float threshold) override;
  void nms(float threshold, Overlap overlap, Scope scope, int keep) override;
  void regress() override;
  void square(bool truncating) override;
  void truncate_and_clip() override;
  void refine(Context& net, const Engine& engine, const Refinement& refinement) override;
  void nms_average(float threshold, float average_above) override;
  void save_and_square(bool truncating, std::span<const float> scales) override;
  void average_with_saved(bool scores) override;
  void drop_below(float score) override;
  int count() override { return static_cast<int>(boxes_.size()); }
  void read(float* dets, float* landmarks, int* frames) override;

 private:
  struct LevelAxes {
    Axis vertical, horizontal;
  };

  // Rows of a level's cells that one worker looks at.
  struct Band {
    int level, first, last;
    std::vector<Box> boxes;
  };

  // What a worker of a native network needs.
  struct Worker {
    PnetRows pnet;
    CropNet net;
    std::vector<int32_t> positions;
    AlignedVector<float> pixels;
    std::vector<float> heads;
  };

  void number_and_drop_empty();
  void set_axes(Resize mode);
  int split_into_bands();
  void propose(const PackedNet& net, Band& band, float threshold, int worker);
  void answer(const PackedNet& net, const Refinement& refinement, int begin, int end, int worker);
  void refine(const PackedNet& net, const Refinement& refinement);
  void accept(const Answers& answers, int begin, int end, const Refinement& refinement);
  void crop(int begin, int end, const Refinement& refinement);
  void infer(Context& net, const Engine& engine, const Shape& shape);
  const float* output(const Engine& engine, const char* name, const Shape& least) const;

  std::shared_ptr<ThreadPool> pool_;
  std::vector<Scratch> scratch_;  // one a worker
  std::vector<Frame> frames_;
  Arena arena_;  // of frames_
  int frame_count_ = 0;

  std::vector<Level> levels_;
  std::vector<LevelAxes> axes_;  // of levels_, for axes_mode_ and axes_frames_
  std::vector<Size> axes_frames_;
  Resize axes_mode_ = Resize::kArea;

  std::vector<Band> bands_;
  std::vector<Worker> workers_;

  std::vector<float> input_;                 // a canvas, or a batch of crops
  std::vector<std::vector<float>> outputs_;  // of the network that ran last
  std::vector<float*> output_pointers_;
  const std::vector<Shape>* output_shapes_ = nullptr;
  std::vector<int32_t> positions_;

  std::vector<Box> boxes_, next_boxes_, saved_boxes_;
  std::vector<Landmarks> landmarks_, next_landmarks_, saved_landmarks_;  // empty before O-Net, else one a box
  int squares_ = 0;                                                      // of each saved box
  Nms nms_;
  std::vector<int> means_;     // of a box kept: its place among the means
  std::vector<float> totals_;  // of the scores in each mean
};

}  // namespace trtmtcnn::cpu
