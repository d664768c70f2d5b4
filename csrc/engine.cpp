#include "engine.h"

#include <stdexcept>

#include "error.h"
#include "types.h"

namespace trtmtcnn {

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) text += ", ";
    text += shape[i] < 0 ? "any" : std::to_string(shape[i]);
  }
  return text + ")";
}

int Engine::output_index(const std::string& name) const {
  for (size_t i = 0; i < outputs().size(); ++i)
    if (outputs()[i].name == name) return static_cast<int>(i);
  std::string has;
  for (const TensorInfo& o : outputs()) has += (has.empty() ? "" : ", ") + o.name;
  throw EngineError("the network has no output \"" + name + "\" (it has " + has + ")");
}

void Engine::check_input(const Shape& shape) const {
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t want = input().shape[i];
    const bool fits = want >= 0 ? shape[i] == want : shape[i] >= (i < 2 ? 1 : kCell);
    if (!fits)
      throw std::invalid_argument("the network takes an input of shape " + to_string(input().shape) +
                                  ", any side from " + std::to_string(kCell) + " up, got " + to_string(shape));
  }
}

int checked_output(const Engine& engine, const std::vector<Shape>& shapes, const char* name, const Shape& least) {
  const int index = engine.output_index(name);
  const Shape& shape = shapes[index];
  if (shape[1] != least[1])
    throw EngineError("the output \"" + std::string(name) + "\" has " + std::to_string(shape[1]) +
                      " channels instead of " + std::to_string(least[1]));
  if (shape[0] < least[0] || shape[2] < least[2] || shape[3] < least[3])
    throw EngineError("the output \"" + std::string(name) + "\" is " + to_string(shape) + ", smaller than " +
                      to_string(least) + ": the network is not what its name says");
  return index;
}

}  // namespace trtmtcnn
