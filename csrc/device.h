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
  // Of the engine files that it loads: "tensorrt" and "tensorrt-rtx" are plans, "cpu" and "cuda" ONNX models.
  virtual std::string flavour() const { return "cpu"; }
  // Whether networks run in a GPU's memory.
  virtual bool on_gpu() const { return false; }
  // The GPU in whose memory pictures may lie, 0 being the first; -1: none, they lie in the host's.
  virtual int ordinal() const { return -1; }
  virtual int threads() const = 0;  // of the CPU that one call may use
  // `bytes`: an engine file. Throws EngineError where it does not fit this device.
  virtual std::shared_ptr<Engine> load_engine(std::span<const char> bytes, const std::string& precision) = 0;
  // Throws EngineError where an engine is seen to be of another network.
  virtual std::unique_ptr<Backend> backend(Engines engines) = 0;
  // Runs the engine on arrays in the host's memory.
  virtual std::unique_ptr<Context> host_context(Engine& engine) { return engine.context(); }
};

}  // namespace trtmtcnn
