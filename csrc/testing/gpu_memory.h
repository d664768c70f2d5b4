// The memory of a modelled GPU. The host can neither read nor write device memory but while streams run; an access
// beyond a block, or to one that was freed, ends the process, for no address is given out twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>

namespace trtmtcnn::testing {

class GpuMemory {
 public:
  enum class Kind { kDevice, kPinned };

  // `limit`: bytes of device memory, and of pinned memory, that may be allocated at once.
  explicit GpuMemory(size_t limit) : limit_(limit) {}
  ~GpuMemory();
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;

  // Memory full of 0xCD; null where there is no more.
  void* allocate(size_t bytes, Kind kind);
  // False where no such block is live.
  bool free(void* memory, Kind kind);
  // Whether these bytes lie in one live block of that kind.
  bool holds(const void* memory, size_t bytes, Kind kind) const;

  size_t live_bytes(Kind kind) const;
  size_t live_blocks() const;

  // Device memory can be accessed while at least one of these lives.
  class Access {
   public:
    explicit Access(GpuMemory& memory) : memory_(memory) { memory_.change_accesses(1); }
    ~Access() { memory_.change_accesses(-1); }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

   private:
    GpuMemory& memory_;
  };

 private:
  struct Block {
    char* mapping;  // guard pages, the block's pages, guard pages
    size_t mapped;
    char* pages;
    size_t in_pages;  // bytes of these
    size_t bytes;
    Kind kind;
    bool live;
  };

  void change_accesses(int by);
  void protect(const Block& block, bool accessible) const;

  mutable std::mutex mutex_;
  std::map<uintptr_t, Block> blocks_;  // by address, the freed ones too
  std::set<uintptr_t> device_blocks_;  // those that are live
  size_t limit_;
  size_t live_bytes_[2] = {};
  int accesses_ = 0;
};

}  // namespace trtmtcnn::testing
