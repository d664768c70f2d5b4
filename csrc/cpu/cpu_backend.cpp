#include "cpu/cpu_backend.h"

#include <utility>

#include "cpu/engine_stages.h"
#include "cpu/native_stages.h"

namespace trtmtcnn::cpu {
namespace {

std::unique_ptr<PnetStage> pnet_stage(std::shared_ptr<Engine> engine, int threads) {
  if (engine->native_net()) return std::make_unique<NativePnet>(std::move(engine), threads);
  return std::make_unique<CanvasPnet>(std::move(engine));
}

std::unique_ptr<CropStage> crop_stage(Net net, std::shared_ptr<Engine> engine, std::shared_ptr<CropMemory> memory) {
  if (engine->native_net()) return std::make_unique<NativeCrops>(net, std::move(engine), std::move(memory));
  return std::make_unique<BatchedCrops>(net, std::move(engine));
}

}  // namespace

CpuBackend::CpuBackend(const std::shared_ptr<ThreadPool>& pool, Engines engines)
    : frames_(pool), pnet_(pnet_stage(std::move(engines[0]), pool->threads())) {
  const auto memory = std::make_shared<CropMemory>(pool->threads());
  rnet_ = crop_stage(Net::kRnet, std::move(engines[1]), memory);
  onet_ = crop_stage(Net::kOnet, std::move(engines[2]), memory);
}

void CpuBackend::load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) {
  boxes_.clear();  // they name frames of another call
  boxes_.set_frames({sizes.begin(), sizes.end()});
  frames_.load(images, sizes, mode);
}

void CpuBackend::unload() {
  boxes_.clear();
  frames_.unload();
}

void CpuBackend::propose(std::span<const Level> levels, const PnetSettings& settings, FunctionRef suppress) {
  boxes_.clear();
  pyramid_.set(levels, frames_);
  pnet_->propose(frames_, pyramid_, settings.threshold, boxes_.proposals());
  suppress();
}

void CpuBackend::refine(Net net, const Refinement& refinement) {
  (net == Net::kRnet ? rnet_ : onet_)->refine(frames_, refinement, boxes_);
}

}  // namespace trtmtcnn::cpu
