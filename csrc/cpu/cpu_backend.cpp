#include "cpu/cpu_backend.h"

#include <algorithm>
#include <stdexcept>
#include <string>
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

std::unique_ptr<LandmarkStage> landmark_stage(std::shared_ptr<Engine> engine, std::shared_ptr<CropMemory> memory) {
  if (!engine) return nullptr;
  if (engine->native_net()) return std::make_unique<NativeLandmarks>(std::move(engine), std::move(memory));
  return std::make_unique<BatchedLandmarks>(std::move(engine));
}

}  // namespace

CpuBackend::CpuBackend(const std::shared_ptr<ThreadPool>& pool, Engines engines)
    : frames_(pool), pnet_(pnet_stage(std::move(engines[0]), pool->threads())) {
  const auto memory = std::make_shared<CropMemory>(pool->threads());
  rnet_ = crop_stage(Net::kRnet, std::move(engines[1]), memory);
  onet_ = crop_stage(Net::kOnet, std::move(engines[2]), memory);
  lnet_ = landmark_stage(std::move(engines[3]), memory);
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
  int frames = 0;
  for (const Level& level : levels) frames = std::max(frames, level.frame + 1);
  pnet_->propose(frames_, pyramid_, settings.threshold, int64_t{frames} * settings.max_proposals, boxes_.proposals());
  check_proposals(boxes_.proposals(), frames, settings.max_proposals);
  suppress();
}

// Suppression compares each with its neighbours, which takes far longer than P-Net where most cells pass.
void CpuBackend::check_proposals(const std::vector<Box>& proposals, int frames, int most) {
  if (proposals.size() <= static_cast<size_t>(most)) return;
  proposals_.assign(frames, 0);
  for (const Box& box : proposals)
    if (++proposals_[box.frame] > most)
      throw std::invalid_argument("P-Net proposes more than " + std::to_string(most) +
                                  " boxes of a picture, which max_work does not allow: raise thresholds[0] or minsize, "
                                  "or lower factor");
}

void CpuBackend::refine(Net net, const Refinement& refinement) {
  (net == Net::kRnet ? rnet_ : onet_)->refine(frames_, refinement, boxes_);
}

void CpuBackend::refine_landmarks(bool flip) { lnet_->refine(frames_, flip, boxes_); }

}  // namespace trtmtcnn::cpu
