#include "runtime/arena.h"

#include <algorithm>

#include "runtime/sanitizer.h"

namespace trtmtcnn {
namespace {

constexpr size_t kLeast = 1 << 16;
constexpr size_t kGap = 64;  // between what is taken

}  // namespace

void Arena::add_block(size_t size) {
  blocks_.push_back(allocate_memory(size));
  used_ = 0;
  ASAN_POISON_MEMORY_REGION(last(), size);
}

uint8_t* Arena::take(size_t n) {
  const size_t needed = (n / kGap + 2) * kGap;
  if (blocks_.empty() || last_size() - used_ < needed) add_block(std::max(needed, kLeast));
  uint8_t* taken = last() + used_;
  used_ += needed;
  ASAN_UNPOISON_MEMORY_REGION(taken, n);
  return taken;
}

void Arena::reset() {
  if (blocks_.empty()) return;
  if (blocks_.size() > 1) {
    size_t total = 0;
    for (const Memory& block : blocks_) total += block.get_deleter().bytes;
    blocks_.clear();
    add_block(total);
  }
  used_ = 0;
  ASAN_POISON_MEMORY_REGION(last(), last_size());
}

}  // namespace trtmtcnn
