// Memory for the pixels of a call's frames, taken back all at once. It grows to the most that one call took, however
// that was shared out among its frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/memory.h"

namespace trtmtcnn {

class Arena {
 public:
  uint8_t* take(size_t n);
  void reset();

 private:
  void add_block(size_t size);
  uint8_t* last() const { return reinterpret_cast<uint8_t*>(blocks_.back().get()); }
  size_t last_size() const { return blocks_.back().get_deleter().bytes; }

  std::vector<Memory> blocks_;
  size_t used_ = 0;  // of the last block
};

}  // namespace trtmtcnn
