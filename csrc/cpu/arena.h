// Memory for the pixels of a call's frames, taken back all at once. It grows to the most that one call took, however
// that was shared out among its frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace trtmtcnn::cpu {

class Arena {
 public:
  uint8_t* take(size_t n);
  void reset();

 private:
  struct Block {
    std::unique_ptr<uint8_t[]> bytes;
    size_t size;
  };
  void add_block(size_t size);

  std::vector<Block> blocks_;
  size_t used_ = 0;  // of the last block
};

}  // namespace trtmtcnn::cpu
