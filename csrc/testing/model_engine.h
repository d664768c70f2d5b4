// An engine of the CPU's as TensorRT's on a modelled GPU would be: its work is enqueued, and it needs scratch memory.
#pragma once

#include <memory>

#include "engine.h"
#include "testing/gpu_model.h"

namespace trtmtcnn::testing {

std::shared_ptr<Engine> to_gpu(std::shared_ptr<Engine> engine, std::shared_ptr<GpuModel> gpu);

// Throws EngineError where the engine is not on this GPU; null: where it is on one.
void check_place(const Engine& engine, const GpuModel* gpu);

}  // namespace trtmtcnn::testing
