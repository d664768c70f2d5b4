// Where networks run: makes engines and backends that share its memory and threads.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "backend.h"
#include "engine.h"

namespace trtmtcnn {

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string runtime() const = 0;  // name and version of what runs the networks
  // `bytes`: an engine file. Throws EngineError where it does not fit this device.
  virtual std::shared_ptr<Engine> load_engine(std::span<const char> bytes, const std::string& precision) = 0;
  virtual std::unique_ptr<Backend> backend() = 0;
};

}  // namespace trtmtcnn
