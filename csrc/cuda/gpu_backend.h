// Backend on a GPU. `Runtime` is StreamRuntime, or HostRuntime where tests run the same code on the CPU. Everything is
// enqueued; the host waits only where boxes are counted: once a stage or, where all networks allow it, once a call.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "backend.h"
#include "cuda/box_set.h"
#include "cuda/buffer.h"
#include "cuda/context_pool.h"
#include "cuda/frame_store.h"
#include "cuda/graph_cache.h"
#include "cuda/kernels/crop_resize.h"
#include "cuda/nets/crop_net.h"
#include "cuda/nets/pnet.h"
#include "cuda/network_runner.h"
#include "cuda/pyramid.h"
#include "cuda/rooms.h"
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
        engines_(std::move(engines)),
        frames_(runtime_, staging_, std::move(copiers)) {
    const typename Runtime::Current current(runtime_);
    for (int i = 0; i < kNetworks; ++i)
      if (engines_[i]) prepare(static_cast<Net>(i), engines_[i]);
    runs_ahead_ = std::all_of(engines_.begin(), engines_.end(), [](const auto& e) { return !e || e->device_net(); });
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
    if (!runtime_.idle()) runtime_.synchronize();  // the pixels are the caller's again
    is_loaded_ = false;
  }

  void propose(std::span<const Level> levels, const PnetSettings& settings, FunctionRef suppress) override {
    const typename Runtime::Current current(runtime_);
    set_levels(levels);
    const bool has_cells = pnet_ ? pnet_->cells() > 0 : !pyramid_->batches().empty();
    const auto work = [&] {
      frames_.make_mips();
      propose(settings.threshold);
      suppress();
    };
    const auto context_changes = [&] { return pnet_ ? 0 : contexts(Net::kPnet).changes(); };
    do {
      boxes_.clear();
      if (runtime_.can_capture() && has_cells)
        graphs_.capture_or_replay(settings, context_changes, work);
      else
        work();
      boxes_.count();
    } while (boxes_.make_room());
    frames_.mips_were_made();
  }

  bool runs_ahead() const override { return runs_ahead_; }

  void begin_cascade(std::span<const Level> levels, const CascadeSettings& settings, std::span<const int64_t> budgets,
                     FunctionRef suppress, FunctionRef later) override {
    if (!runs_ahead_) return Backend::begin_cascade(levels, settings, budgets, suppress, later);
    const typename Runtime::Current current(runtime_);
    set_levels(levels);
    enqueue_cascade({settings, frame_count(), false, !budgets.empty()}, budgets, suppress, later);
  }

  void finish_cascade(const CascadeSettings& settings, std::span<const int64_t> budgets, FunctionRef suppress,
                      FunctionRef later) override {
    if (!runs_ahead_) return;
    const typename Runtime::Current current(runtime_);
    const CascadeKind kind{settings, frame_count(), false, !budgets.empty()};
    while (!had_room(kind)) enqueue_cascade(kind, budgets, suppress, later);
    frames_.mips_were_made();
  }

  void cascade(std::span<const Box> known, const CascadeSettings& settings, FunctionRef later) override {
    if (!runs_ahead_ || known.empty()) return Backend::cascade(known, settings, later);
    const typename Runtime::Current current(runtime_);
    if (frames_.mode() != refined_mode_ || frames_.host_sizes() != refined_sizes_) {
      refinements_.clear();
      refined_mode_ = frames_.mode();
      refined_sizes_ = frames_.host_sizes();
    }
    const CascadeKind kind{settings, frame_count(), true};
    rooms_.of(kind).reserve(Next::kRnet, static_cast<int>(known.size()));
    const auto assign = [&] {
      boxes_.limit_work({}, {});
      boxes_.assign_ahead(known);
    };
    const auto work = [&] {
      frames_.make_mips();
      later();
    };
    do {
      enqueue_ahead(refinements_, kind, assign, work);
    } while (!had_room(kind));
    frames_.mips_were_made();
  }

  void refine(Net net, const Refinement& refinement) override {
    const typename Runtime::Current current(runtime_);
    frames_.need_mips();
    if (auto& own = crop_nets_[static_cast<int>(net)]) return refine(*own, net, refinement);
    const Engine& engine = contexts(net).engine();
    const int side = facts(net).side, most = largest_batch(net, engine, refinement.flip());
    const DeviceBoxes from = boxes_.begin_accepting();
    float* const input = runner_.input({most, 3, side, side});
    taps_.reserve(2 * static_cast<size_t>(side) * most);
    // The squares without a pixel take part: there are hardly any.
    for_each_crop_batch(
        boxes_.bound(), refinement.flip(), most, gpu_batch_bucket, [&](int begin, int crops, int batch) {
          const int flipped = refinement.flip() ? crops : 0;
          runtime_.for_each(2 * side * crops,
                            CropTaps{frames_.frames(), from, begin, side, frames_.area(), taps_.data()});
          runtime_.for_each(crops * side * side, CropResize{frames_.frames(),
                                                            from,
                                                            begin,
                                                            side,
                                                            taps_.data(),
                                                            flipped,
                                                            refinement.mirrored(),
                                                            {input, InputLayout::kPlanes}});
          const Shape shape{batch, 3, side, side};
          runner_.run(contexts(net).at(shape), shape);
          HeadOutputs outputs = head_outputs(engine, runner_.shapes(), runner_.outputs(), batch, flipped);
          outputs.mirrored = refinement.mirrored();
          runtime_.for_each(crops, Accept{from, begin, outputs, refinement.threshold, refinement.inclusive_landmarks,
                                          boxes_.current()});
        });
  }

  void refine_landmarks(bool flip) override {
    const typename Runtime::Current current(runtime_);
    frames_.need_mips();
    if (auto& own = crop_nets_[static_cast<int>(Net::kLnet)]) return refine_landmarks(*own, flip);
    const Engine& engine = contexts(Net::kLnet).engine();
    const int side = facts(Net::kLnet).side, channels = input_channels(Net::kLnet);
    const int most = largest_batch(Net::kLnet, engine, flip);
    const DeviceBoxes boxes = boxes_.with_landmarks();
    float* const input = runner_.input({most, channels, side, side});
    taps_.reserve(2 * static_cast<size_t>(side) * kPoints * most);
    for_each_crop_batch(boxes_.bound(), flip, most, gpu_batch_bucket, [&](int begin, int faces, int batch) {
      const int flipped = flip ? faces : 0, patches = kPoints * faces;
      runtime_.for_each(2 * side * patches,
                        PatchTaps{frames_.frames(), boxes, begin, side, frames_.area(), taps_.data()});
      runtime_.for_each(
          patches * side * side,
          PatchResize{frames_.frames(), boxes, begin, side, taps_.data(), flipped, {input, InputLayout::kPlanes}});
      const Shape shape{batch, channels, side, side};
      runner_.run(contexts(Net::kLnet).at(shape), shape);
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

  ContextPool& contexts(Net net) { return *contexts_[static_cast<int>(net)]; }

  // A network runs in kernels of our own or in TensorRT, as its engine says.
  void prepare(Net net, const std::shared_ptr<Engine>& engine) {
    const int i = static_cast<int>(net);
    const DeviceNet* own = engine->device_net();
    if (own && own->net != net) throw EngineError("the engines are not in the order P-Net, R-Net, O-Net, L-Net");
    if (own && net == Net::kPnet)
      pnet_.emplace(runtime_, staging_, *own);
    else if (own)
      crop_nets_[i].emplace(runtime_, *own);
    else
      contexts_[i].emplace(engine, runtime_.stream(), net == Net::kPnet ? kMostPnetShapes : kMostBatches);
    if (!own && net == Net::kPnet) pyramid_.emplace(runtime_, staging_, *engine);
  }

  // As refine(net, refinement). Kernels are launched for as many boxes as there may be; there is no batch to round up.
  void refine(CropNet<Runtime>& crops, Net net, const Refinement& refinement) {
    const int side = facts(net).side, bound = boxes_.bound(), views = refinement.flip() ? 2 : 1;
    const DeviceBoxes from = boxes_.begin_accepting();
    for (int begin = 0, n; begin < bound; begin += n) {
      n = std::min(bound - begin, crops.most_crops() / views);
      const CropBatch batch{from.count, begin, n, refinement.flip() ? n : 0};
      const NetInput input = crops.input(n * views);
      taps_.reserve(2 * static_cast<size_t>(side) * n);
      runtime_.for_each(2 * side * n, CropTaps{frames_.frames(), from, begin, side, frames_.area(), taps_.data()});
      runtime_.for_each(n * side * side, CropResize{frames_.frames(), from, begin, side, taps_.data(), batch.flipped,
                                                    refinement.mirrored(), input});
      HeadOutputs outputs = crops.run(batch);
      outputs.mirrored = refinement.mirrored();
      runtime_.for_each(
          n, Accept{from, begin, outputs, refinement.threshold, refinement.inclusive_landmarks, boxes_.current()});
    }
  }

  void refine_landmarks(CropNet<Runtime>& lnet, bool flip) {
    const int side = facts(Net::kLnet).side, bound = boxes_.bound(), views = flip ? 2 : 1;
    const DeviceBoxes boxes = boxes_.with_landmarks();
    for (int begin = 0, n; begin < bound; begin += n) {
      n = std::min(bound - begin, lnet.most_crops() / views);
      const CropBatch batch{boxes.count, begin, n, flip ? n : 0};
      const NetInput input = lnet.input(n * views);
      const int patches = kPoints * n;
      taps_.reserve(2 * static_cast<size_t>(side) * patches);
      runtime_.for_each(2 * side * patches,
                        PatchTaps{frames_.frames(), boxes, begin, side, frames_.area(), taps_.data()});
      runtime_.for_each(patches * side * side,
                        PatchResize{frames_.frames(), boxes, begin, side, taps_.data(), batch.flipped, input});
      runtime_.for_each(n, MoveLandmarks{boxes, begin, lnet.run(batch)});
    }
  }

  void set_levels(std::span<const Level> levels) {
    if (!(pnet_ ? pnet_->set(levels, frames_) : pyramid_->set(levels, frames_))) return;
    graphs_.clear();
    cascades_.clear();
  }

  int frame_count() const { return static_cast<int>(frames_.host_sizes().size()); }

  // What work that runs ahead depends on, beside frames and levels.
  struct CascadeWork {
    CascadeKind kind;
    BoxCounts rooms;
    bool operator==(const CascadeWork&) const = default;
  };
  using CascadeGraphs = GraphCache<Runtime, CascadeWork>;

  void enqueue_cascade(const CascadeKind& kind, std::span<const int64_t> budgets, FunctionRef suppress,
                       FunctionRef later) {
    const auto limit = [&] { boxes_.limit_work(budgets, kind.settings.box_costs); };
    const auto work = [&] {
      frames_.make_mips();
      boxes_.clear();
      propose(kind.settings.pnet.threshold);
      suppress();
      later();
    };
    enqueue_ahead(cascades_, kind, limit, work);
  }

  // Enqueues `before`, and `work`, the same for every call of this kind, for as many boxes as there is room for.
  void enqueue_ahead(CascadeGraphs& graphs, const CascadeKind& kind, FunctionRef before, FunctionRef work) {
    const BoxCounts& rooms = rooms_.of(kind).boxes();
    const auto work_and_fetch = [&] {
      work();
      boxes_.enqueue_fetch();
    };
    const auto no_contexts = [] { return size_t{0}; };
    boxes_.run_ahead(rooms);
    before();
    if (runtime_.can_capture())
      graphs.capture_or_replay({kind, rooms}, no_contexts, work_and_fetch);
    else
      work_and_fetch();
  }

  // Waits for what was enqueued. Where there was too little room for its boxes, makes more.
  bool had_room(const CascadeKind& kind) {
    const BoxCounts needed = boxes_.fetch();
    const bool more_proposals = boxes_.make_room();
    return rooms_.of(kind).fits(needed) && !more_proposals;
  }

  void propose(float threshold) {
    if (pnet_) {
      pnet_->propose(frames_, threshold, boxes_.current());
      boxes_.added_at_most(pnet_->cells());
    } else {
      for (const CanvasBatch& batch : pyramid_->batches()) propose(batch, threshold);
    }
  }

  void propose(const CanvasBatch& batch, float threshold) {
    const Shape shape{batch.images, 3, batch.size.height, batch.size.width};
    pyramid_->draw(batch, frames_, runner_.input(shape));
    runner_.run(contexts(Net::kPnet).at(shape), shape);
    const GridOutputs grid =
        grid_outputs(contexts(Net::kPnet).engine(), runner_.shapes(), runner_.outputs(), batch.images, batch.size);
    pyramid_->propose(batch, grid, threshold, boxes_.current());
    boxes_.added_at_most(batch.cells);
  }

  Runtime runtime_;  // what follows lives in its memory
  Staging<Runtime> staging_{runtime_};
  Engines engines_;
  std::array<std::optional<ContextPool>, kNetworks> contexts_;  // of networks that TensorRT runs
  std::optional<Pnet<Runtime>> pnet_;                           // those that we do
  std::array<std::optional<CropNet<Runtime>>, kNetworks> crop_nets_;
  FrameStore<Runtime> frames_;
  std::optional<Pyramid<Runtime>> pyramid_;  // TensorRT's P-Net's
  BoxSet<Runtime> boxes_{runtime_, staging_};
  GraphCache<Runtime, PnetSettings> graphs_{runtime_, boxes_};  // of P-Net alone
  CascadeGraphs cascades_{runtime_, boxes_};
  CascadeGraphs refinements_{runtime_, boxes_};  // of known boxes, in frames as follows
  Resize refined_mode_ = Resize::kArea;
  std::vector<Size> refined_sizes_;
  RoomsByKind rooms_;
  bool runs_ahead_ = false;
  NetworkRunner<Runtime> runner_{runtime_};
  Buffer<Runtime, Taps> taps_{runtime_};  // of crops
  bool is_loaded_ = false;                // or a part was, before an error
};

}  // namespace trtmtcnn::cuda
