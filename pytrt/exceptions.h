// Sorts the exception in flight, for Cython to raise as a Python one.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "error.h"

namespace trtmtcnn {

enum class ErrorKind { kEngine, kDevice, kArgument, kMemory, kOther };

inline ErrorKind current_error(std::string& message) {
  try {
    throw;
  } catch (const EngineError& e) {
    message = e.what();
    return ErrorKind::kEngine;
  } catch (const DeviceError& e) {
    message = e.what();
    return ErrorKind::kDevice;
  } catch (const std::invalid_argument& e) {
    message = e.what();
    return ErrorKind::kArgument;
  } catch (const std::bad_alloc&) {
    message = "out of memory";
    return ErrorKind::kMemory;
  } catch (const std::length_error&) {
    message = "out of memory: a buffer would be larger than the address space";
    return ErrorKind::kMemory;
  } catch (const std::exception& e) {
    message = e.what();
  } catch (...) {
    message = "unknown C++ exception";
  }
  return ErrorKind::kOther;
}

}  // namespace trtmtcnn
