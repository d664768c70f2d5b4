// The exceptions that leave the core; pytrt turns each into a Python one.
#pragma once

#include <stdexcept>
#include <string>

namespace trtmtcnn {

// The engine file is missing, damaged, or made for something else.
struct EngineError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The device, its driver or its runtime library is not there or has failed.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace trtmtcnn
