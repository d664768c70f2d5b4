#include "cpu/arena.h"

#include <algorithm>

// AddressSanitizer is told what has not been taken, so that it sees who reads beyond a frame.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRTMTCNN_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TRTMTCNN_ASAN
#endif
#ifdef TRTMTCNN_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

namespace trtmtcnn::cpu {
namespace {

constexpr size_t kLeast = 1 << 16;
constexpr size_t kGap = 64;  // between what is taken

}  // namespace

void Arena::add_block(size_t size) {
  blocks_.push_back({std::unique_ptr<uint8_t[]>(new uint8_t[size]), size});
  used_ = 0;
  ASAN_POISON_MEMORY_REGION(blocks_.back().bytes.get(), size);
}

uint8_t* Arena::take(size_t n) {
  const size_t needed = (n / kGap + 2) * kGap;
  if (blocks_.empty() || blocks_.back().size - used_ < needed) add_block(std::max(needed, kLeast));
  uint8_t* taken = blocks_.back().bytes.get() + used_;
  used_ += needed;
  ASAN_UNPOISON_MEMORY_REGION(taken, n);
  return taken;
}

void Arena::reset() {
  if (blocks_.empty()) return;
  if (blocks_.size() > 1) {
    size_t total = 0;
    for (const Block& block : blocks_) total += block.size;
    blocks_.clear();
    add_block(total);
  }
  used_ = 0;
  ASAN_POISON_MEMORY_REGION(blocks_.back().bytes.get(), blocks_.back().size);
}

}  // namespace trtmtcnn::cpu
