#include "outputs.h"

#include <string>

#include "error.h"
#include "networks.h"

namespace trtmtcnn {
namespace {

// The index of an output that must have the channels it should and be no smaller than `least`.
int checked_output(const Engine& engine, const std::vector<Shape>& shapes, const Output& output, int64_t n,
                   Size least) {
  const int index = engine.output_index(output.name);
  const Shape& shape = shapes[index];
  if (shape[1] != output.channels)
    throw EngineError("the output \"" + std::string(output.name) + "\" has " + std::to_string(shape[1]) +
                      " channels instead of " + std::to_string(output.channels));
  if (shape[0] < n || shape[2] < least.height || shape[3] < least.width)
    throw EngineError("the output \"" + std::string(output.name) + "\" is " + to_string(shape) + ", smaller than " +
                      to_string({n, output.channels, least.height, least.width}) +
                      ": the network is not what its name says");
  return index;
}

}  // namespace

GridOutputs grid_outputs(const Engine& engine, const std::vector<Shape>& shapes, std::span<float* const> outputs,
                         int batch, Size canvas) {
  const int prob = checked_output(engine, shapes, kProb, batch, {grid_cells(canvas.height), grid_cells(canvas.width)});
  const Size grid{static_cast<int>(shapes[prob][2]), static_cast<int>(shapes[prob][3])};
  const int regression = checked_output(engine, shapes, kRegression, batch, grid);
  return {outputs[prob], outputs[regression], grid.height, grid.width};
}

HeadOutputs head_outputs(const Engine& engine, const std::vector<Shape>& shapes, std::span<float* const> outputs,
                         int batch, int flipped) {
  const auto output = [&](const Output& o) -> const float* {
    return outputs[checked_output(engine, shapes, o, batch, {1, 1})];
  };
  return {output(kProb), output(kRegression),
          engine.has_output(kLandmarkOutput.name) ? output(kLandmarkOutput) : nullptr, flipped};
}

HeadOutputs landmark_outputs(const Engine& engine, const std::vector<Shape>& shapes, std::span<float* const> outputs,
                             int batch, int flipped) {
  return {nullptr, nullptr, outputs[checked_output(engine, shapes, kLandmarkOutput, batch, {1, 1})], flipped};
}

}  // namespace trtmtcnn
