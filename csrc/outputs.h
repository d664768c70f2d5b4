// A network's outputs by their names, checked.
#pragma once

#include <span>
#include <vector>

#include "engine.h"
#include "head_outputs.h"
#include "types.h"

namespace trtmtcnn {

// `shapes`, `outputs`: in the order of engine.outputs(). All throw EngineError where an output is missing or too
// small.
GridOutputs grid_outputs(const Engine& engine, const std::vector<Shape>& shapes, std::span<float* const> outputs,
                         int batch, Size canvas);
// Of a batch whose crop i has its mirror image at flipped + i; 0: there are none.
HeadOutputs head_outputs(const Engine& engine, const std::vector<Shape>& shapes, std::span<float* const> outputs,
                         int batch, int flipped);

// L-Net's.
HeadOutputs landmark_outputs(const Engine& engine, const std::vector<Shape>& shapes, std::span<float* const> outputs,
                             int batch, int flipped);

// Shares n boxes out among batches of at most `most` images, of which each box takes one or, with its mirror image,
// two. run(begin, crops, batch): boxes [begin, begin + crops) in a batch of the size that engines are prepared for,
// which `bucket` tells.
template <class Run>
void for_each_crop_batch(int n, bool flip, int most, int (*bucket)(int), Run&& run) {
  const int views = flip ? 2 : 1;
  for (int begin = 0; begin < n; begin += most / views) {
    const int crops = n - begin < most / views ? n - begin : most / views;
    const int batch = bucket(views * crops);
    run(begin, crops, batch < most ? batch : most);
  }
}

}  // namespace trtmtcnn
