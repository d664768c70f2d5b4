// What has happened to a stream's memory and when the host last waited for it; every runtime counts.
#pragma once

#include <cstddef>

namespace trtmtcnn::cuda {

class StreamCounters {
 public:
  // Changes whenever memory is allocated or freed: while it stays, addresses hold.
  size_t memory_generation() const { return memory_generation_; }
  // How often the host has waited for all that the stream held.
  size_t synchronisations() const { return synchronisations_; }

 protected:
  void memory_changed() { ++memory_generation_; }
  void passed() { ++synchronisations_; }

 private:
  size_t memory_generation_ = 0, synchronisations_ = 0;
};

}  // namespace trtmtcnn::cuda
