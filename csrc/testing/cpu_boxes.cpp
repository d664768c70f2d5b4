#include "cpu/box_set.h"
#include "testing/operations.h"

namespace trtmtcnn::testing {
namespace {

class CpuBoxes final : public FilledBoxes {
 public:
  cpu::BoxSet& boxes() override { return boxes_; }

  void assign(std::span<const Box> boxes, std::span<const Size> frames) override {
    boxes_.clear();
    boxes_.set_frames({frames.begin(), frames.end()});
    boxes_.proposals().assign(boxes.begin(), boxes.end());
  }

  void accept(const HeadOutputs& outputs, int n, float threshold, bool inclusive_landmarks) override {
    boxes_.begin_accepting();
    boxes_.accept(outputs, 0, n, threshold, inclusive_landmarks);
    boxes_.end_accepting();
  }

 private:
  cpu::BoxSet boxes_;
};

}  // namespace

std::unique_ptr<FilledBoxes> cpu_boxes() { return std::make_unique<CpuBoxes>(); }

}  // namespace trtmtcnn::testing
