// Backend on a GPU. `Runtime` is StreamRuntime, or HostRuntime where tests run the same code on the CPU. Everything is
// enqueued; the host waits only where boxes are counted, once a stage.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "backend.h"
#include "cuda/box_set.h"
#include "cuda/buffer.h"
#include "cuda/frame_store.h"
#include "cuda/graph_cache.h"
#include "cuda/kernels/crop_resize.h"
#include "cuda/network_runner.h"
#include "cuda/pyramid.h"
#include "error.h"
#include "outputs.h"
#include "runtime/thread_pool.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class GpuBackend final : public Backend {
 public:
  // `copiers`: threads that copy pictures for the GPU; `arguments`: the runtime's.
  template <typename... Arguments>
  GpuBackend(Engines engines, std::shared_ptr<ThreadPool> copiers, Arguments&&... arguments)
      : runtime_(std::forward<Arguments>(arguments)...),
        engines_(std::move(engines)),
        frames_(runtime_, std::move(copiers)),
        pyramid_(runtime_, *engines_[0]) {
    for (size_t i = 0; i < engines_.size(); ++i) {
      contexts_[i] = engines_[i]->context();
      contexts_[i]->use_stream(runtime_.stream());
    }
  }

  void* stream() override { return runtime_.stream(); }
  BoxSet<Runtime>& boxes() override { return boxes_; }

  void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) override {
    runtime_.use();
    frames_.load(images, sizes, mode);
    boxes_.set_frames(frames_.sizes());
    boxes_.clear();
  }

  void unload() override {
    runtime_.use();
    runtime_.synchronize();  // the pixels are the caller's again
  }

  void propose(std::span<const Level> levels, const PnetSettings& settings, FunctionRef suppress) override {
    runtime_.use();
    if (pyramid_.set(levels, frames_)) graphs_.clear();
    const auto work = [&] {
      for (size_t c = 0; c < pyramid_.canvases().size(); ++c) propose(c, settings.threshold);
      suppress();
    };
    do {
      boxes_.clear();
      // TensorRT's own work can be captured only for a single input shape.
      if (pyramid_.canvases().size() == 1 && runtime_.can_capture())
        graphs_.capture_or_replay(settings, work);
      else
        work();
      boxes_.count();
    } while (boxes_.make_room());
  }

  void refine(Net net, const Refinement& refinement) override {
    const Engine& engine = *engines_[static_cast<int>(net)];
    const int side = facts(net).side;
    const int most = static_cast<int>(std::min<int64_t>(facts(net).gpu_batch, engine.largest_input()[0]));
    if (refinement.flip && most < 2)
      throw EngineError("mirror images need an engine for batches of 2 and more: run create_engines with a larger one");
    const DeviceBoxes from = boxes_.begin_accepting();
    float* const input = runner_.input({most, 3, side, side});
    taps_.reserve(2 * static_cast<size_t>(side) * most);
    // The squares without a pixel take part: there are hardly any.
    for_each_crop_batch(boxes_.bound(), refinement.flip, most, [&](int begin, int crops, int batch) {
      const int flipped = refinement.flip ? crops : 0;
      runtime_.for_each(2 * side * crops, CropTaps{frames_.frames(), from, begin, side, frames_.area(), taps_.data()});
      runtime_.for_each(crops * side * side,
                        CropResize{frames_.frames(), from, begin, side, taps_.data(), flipped, input});
      runner_.run(*contexts_[static_cast<int>(net)], {batch, 3, side, side});
      const HeadOutputs outputs = head_outputs(engine, runner_.shapes(), runner_.outputs(), batch, flipped);
      runtime_.for_each(
          crops, Accept{from, begin, outputs, refinement.threshold, refinement.inclusive_landmarks, boxes_.current()});
    });
  }

 private:
  void propose(size_t c, float threshold) {
    const Size size = pyramid_.canvases()[c].size;
    const Shape shape{1, 3, size.height, size.width};
    pyramid_.draw(c, frames_, runner_.input(shape));
    runner_.run(*contexts_[0], shape);
    const GridOutputs grid = grid_outputs(*engines_[0], runner_.shapes(), runner_.outputs(), size);
    pyramid_.propose(c, grid, threshold, boxes_.current());
    boxes_.added_at_most(pyramid_.cells(c));
  }

  Runtime runtime_;  // what follows lives in its memory
  Engines engines_;
  std::array<std::unique_ptr<Context>, kNetworks> contexts_;
  FrameStore<Runtime> frames_;
  Pyramid<Runtime> pyramid_;
  BoxSet<Runtime> boxes_{runtime_};
  GraphCache<Runtime> graphs_{runtime_, boxes_};
  NetworkRunner<Runtime> runner_{runtime_};
  Buffer<Runtime, Taps> taps_{runtime_};  // of crops
};

}  // namespace trtmtcnn::cuda
