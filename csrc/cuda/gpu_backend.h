// Backend on a GPU. `Runtime` is StreamRuntime, or HostRuntime where tests run the same code on the CPU. Everything is
// enqueued; the host waits only where boxes are counted, once a stage.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "backend.h"
#include "cuda/box_set.h"
#include "cuda/buffer.h"
#include "cuda/context_pool.h"
#include "cuda/frame_store.h"
#include "cuda/graph_cache.h"
#include "cuda/kernels/crop_resize.h"
#include "cuda/network_runner.h"
#include "cuda/pyramid.h"
#include "cuda/staging.h"
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
        contexts_{pool(engines, Net::kPnet, kMostPnetShapes), pool(engines, Net::kRnet, kMostBatches),
                  pool(engines, Net::kOnet, kMostBatches)},
        frames_(runtime_, staging_, std::move(copiers)),
        pyramid_(runtime_, staging_, contexts(Net::kPnet).engine()) {
    const typename Runtime::Current current(runtime_);
    if (auto& lnet = engines[static_cast<int>(Net::kLnet)])
      lnet_contexts_.emplace(std::move(lnet), runtime_.stream(), kMostBatches);
  }

  ~GpuBackend() override {
    try {
      runtime_.synchronize();  // contexts and graphs must not go while they run
    } catch (...) {            // then nothing runs
    }
  }

  void* stream() override { return runtime_.stream(); }
  BoxSet<Runtime>& boxes() override { return boxes_; }

  void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) override {
    const typename Runtime::Current current(runtime_);
    boxes_.discard();
    if (is_loaded_) unload();
    is_loaded_ = true;
    frames_.load(images, sizes, mode);
    boxes_.set_frames(frames_.sizes(), static_cast<int>(images.size()));
  }

  void unload() override {
    const typename Runtime::Current current(runtime_);
    boxes_.discard();
    runtime_.synchronize();  // the pixels are the caller's again
    is_loaded_ = false;
  }

  void propose(std::span<const Level> levels, const PnetSettings& settings, FunctionRef suppress) override {
    const typename Runtime::Current current(runtime_);
    if (pyramid_.set(levels, frames_)) graphs_.clear();
    const auto work = [&] {
      for (const CanvasBatch& batch : pyramid_.batches()) propose(batch, settings.threshold);
      suppress();
    };
    const auto context_changes = [&] { return contexts(Net::kPnet).changes(); };
    do {
      boxes_.clear();
      if (runtime_.can_capture() && !pyramid_.batches().empty())
        graphs_.capture_or_replay(settings, context_changes, work);
      else
        work();
      boxes_.count();
    } while (boxes_.make_room());
  }

  void refine(Net net, const Refinement& refinement) override {
    const typename Runtime::Current current(runtime_);
    const Engine& engine = contexts(net).engine();
    const int side = facts(net).side, most = largest_batch(net, engine, refinement.flip);
    const DeviceBoxes from = boxes_.begin_accepting();
    float* const input = runner_.input({most, 3, side, side});
    taps_.reserve(2 * static_cast<size_t>(side) * most);
    // The squares without a pixel take part: there are hardly any.
    for_each_crop_batch(boxes_.bound(), refinement.flip, most, gpu_batch_bucket, [&](int begin, int crops, int batch) {
      const int flipped = refinement.flip ? crops : 0;
      runtime_.for_each(2 * side * crops, CropTaps{frames_.frames(), from, begin, side, frames_.area(), taps_.data()});
      runtime_.for_each(crops * side * side,
                        CropResize{frames_.frames(), from, begin, side, taps_.data(), flipped, input});
      const Shape shape{batch, 3, side, side};
      runner_.run(contexts(net).at(shape), shape);
      const HeadOutputs outputs = head_outputs(engine, runner_.shapes(), runner_.outputs(), batch, flipped);
      runtime_.for_each(
          crops, Accept{from, begin, outputs, refinement.threshold, refinement.inclusive_landmarks, boxes_.current()});
    });
  }

  void refine_landmarks(bool flip) override {
    const typename Runtime::Current current(runtime_);
    const Engine& engine = lnet_contexts_->engine();
    const int side = facts(Net::kLnet).side, channels = input_channels(Net::kLnet);
    const int most = largest_batch(Net::kLnet, engine, flip);
    const DeviceBoxes boxes = boxes_.with_landmarks();
    float* const input = runner_.input({most, channels, side, side});
    taps_.reserve(2 * static_cast<size_t>(side) * kPoints * most);
    for_each_crop_batch(boxes_.bound(), flip, most, gpu_batch_bucket, [&](int begin, int faces, int batch) {
      const int flipped = flip ? faces : 0, patches = kPoints * faces;
      runtime_.for_each(2 * side * patches,
                        PatchTaps{frames_.frames(), boxes, begin, side, frames_.area(), taps_.data()});
      runtime_.for_each(patches * side * side,
                        PatchResize{frames_.frames(), boxes, begin, side, taps_.data(), flipped, input});
      const Shape shape{batch, channels, side, side};
      runner_.run(lnet_contexts_->at(shape), shape);
      const HeadOutputs outputs = landmark_outputs(engine, runner_.shapes(), runner_.outputs(), batch, flipped);
      runtime_.for_each(faces, MoveLandmarks{boxes, begin, outputs});
    });
  }

 private:
  static int largest_batch(Net net, const Engine& engine, bool flip) {
    const int most = static_cast<int>(std::min<int64_t>(facts(net).gpu_batch, engine.largest_input()[0]));
    if (flip && most < 2)
      throw EngineError("mirror images need an engine for batches of 2 and more: run create_engines with a larger one");
    return most;
  }

  // Sizes of canvases, and batches of them, that come again. R-Net's and O-Net's batches, powers of two, are no more.
  static constexpr size_t kMostPnetShapes = 8, kMostBatches = 16;

  ContextPool pool(const Engines& engines, Net net, size_t most) {
    const typename Runtime::Current current(runtime_);
    return {engines[static_cast<int>(net)], runtime_.stream(), most};
  }

  ContextPool& contexts(Net net) { return contexts_[static_cast<int>(net)]; }

  void propose(const CanvasBatch& batch, float threshold) {
    const Shape shape{batch.images, 3, batch.size.height, batch.size.width};
    pyramid_.draw(batch, frames_, runner_.input(shape));
    runner_.run(contexts(Net::kPnet).at(shape), shape);
    const GridOutputs grid =
        grid_outputs(contexts(Net::kPnet).engine(), runner_.shapes(), runner_.outputs(), batch.images, batch.size);
    pyramid_.propose(batch, grid, threshold, boxes_.current());
    boxes_.added_at_most(batch.cells);
  }

  Runtime runtime_;  // what follows lives in its memory
  Staging<Runtime> staging_{runtime_};
  std::array<ContextPool, kCascadeNetworks> contexts_;
  std::optional<ContextPool> lnet_contexts_;
  FrameStore<Runtime> frames_;
  Pyramid<Runtime> pyramid_;
  BoxSet<Runtime> boxes_{runtime_, staging_};
  GraphCache<Runtime> graphs_{runtime_, boxes_};
  NetworkRunner<Runtime> runner_{runtime_};
  Buffer<Runtime, Taps> taps_{runtime_};  // of crops
  bool is_loaded_ = false;                // or a part was, before an error
};

}  // namespace trtmtcnn::cuda
