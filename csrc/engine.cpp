#include "engine.h"

#include <algorithm>
#include <stdexcept>

#include "error.h"
#include "networks.h"

namespace trtmtcnn {

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) text += ", ";
    text += shape[i] < 0 ? "any" : std::to_string(shape[i]);
  }
  return text + ")";
}

bool Engine::has_output(const std::string& name) const {
  return std::any_of(outputs().begin(), outputs().end(), [&](const TensorInfo& o) { return o.name == name; });
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

}  // namespace trtmtcnn
