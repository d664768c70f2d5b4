#include "testing/gpu_memory.h"

#include <cstring>

#include "runtime/pages.h"

namespace trtmtcnn::testing {
namespace {

constexpr size_t kAlignment = 16;  // so small that a vector's overrun meets the guard page
constexpr unsigned char kPoison = 0xCD;

size_t rounded(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

GpuMemory::~GpuMemory() {
  for (const auto& [address, block] : blocks_) unmap_pages(block.mapping, block.mapped);
}

void* GpuMemory::allocate(size_t bytes, Kind kind) {
  const std::lock_guard lock(mutex_);
  size_t& used = live_bytes_[static_cast<int>(kind)];
  if (bytes > limit_ - used) return nullptr;
  const size_t in_pages = rounded(bytes, page_size());
  const bool large = in_pages >= kLargePage;  // of which access is changed 512 times as fast
  const size_t mapped = in_pages + 2 * page_size() + (large ? kLargePage : 0);
  auto* const mapping = static_cast<char*>(reserve_pages(mapped));
  if (!mapping) return nullptr;
  char* end = mapping + mapped - page_size();  // where a guard page begins
  if (large) end -= reinterpret_cast<uintptr_t>(end) % kLargePage;
  Block block{mapping, mapped, end - in_pages, in_pages, bytes, kind, true};
  if (large) prefer_large_pages(block.pages, in_pages);
  protect(block, true);
  char* memory = end - rounded(bytes, kAlignment);
  std::memset(memory, kPoison, bytes);
  if (kind == Kind::kDevice && accesses_ == 0) protect(block, false);
  blocks_.emplace(reinterpret_cast<uintptr_t>(memory), block);
  if (kind == Kind::kDevice) device_blocks_.insert(reinterpret_cast<uintptr_t>(memory));
  used += bytes;
  return memory;
}

bool GpuMemory::free(void* memory, Kind kind) {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(reinterpret_cast<uintptr_t>(memory));
  if (found == blocks_.end() || !found->second.live || found->second.kind != kind) return false;
  Block& block = found->second;
  block.live = false;
  device_blocks_.erase(found->first);
  live_bytes_[static_cast<int>(kind)] -= block.bytes;
  drop_pages(block.mapping, block.mapped);  // gives its pages back, keeps its addresses
  return true;
}

bool GpuMemory::holds(const void* memory, size_t bytes, Kind kind) const {
  const std::lock_guard lock(mutex_);
  const auto address = reinterpret_cast<uintptr_t>(memory);
  auto found = blocks_.upper_bound(address);
  if (found == blocks_.begin()) return false;
  const auto& [begin, block] = *--found;
  return block.live && block.kind == kind && address - begin <= block.bytes && bytes <= block.bytes - (address - begin);
}

size_t GpuMemory::live_bytes(Kind kind) const {
  const std::lock_guard lock(mutex_);
  return live_bytes_[static_cast<int>(kind)];
}

size_t GpuMemory::live_blocks() const {
  const std::lock_guard lock(mutex_);
  size_t n = 0;
  for (const auto& [address, block] : blocks_) n += block.live;
  return n;
}

void GpuMemory::change_accesses(int by) {
  const std::lock_guard lock(mutex_);
  const bool could = accesses_ > 0;
  accesses_ += by;
  if (could == (accesses_ > 0)) return;
  for (const uintptr_t address : device_blocks_) protect(blocks_.at(address), !could);
}

void GpuMemory::protect(const Block& block, bool accessible) const {
  (accessible ? allow_access : forbid_access)(block.pages, block.in_pages);
}

}  // namespace trtmtcnn::testing
