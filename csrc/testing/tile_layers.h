// Single layers in bfloat16, and the emulated tile registers, for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "device.h"
#include "engine.h"

namespace trtmtcnn {

// An engine for a CPU on the kernels of AMX's instructions, whether the processor has them or a test plays them. Throws
// EngineError where there are none, and for files that are none of the three networks.
std::shared_ptr<Engine> load_amx_engine(const Device& cpu, std::span<const char> onnx);

// n maps of (height, width, channels) through one layer of an engine of bf16, with its PReLU and pooling. Values that
// the layer keeps as bfloat16 must be such. Layers of R-Net and O-Net take maps of their own size. Throws EngineError
// where the engine's kernels have no such layer.
std::vector<float> run_tile_layer(const Engine& engine, int layer, std::span<const float> maps, int n, int height,
                                  int width);

// Sums that the emulated tile registers make: c += a b, each 16 rows of 64 bytes, of which the shapes say what is used:
// {rows, bytes in a row} of c, a, b.
void emulate_tiles(std::span<const int> shapes, void* c, const void* a, const void* b);

}  // namespace trtmtcnn
