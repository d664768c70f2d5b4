#include "runtime/memory.h"

#include <new>

#include "runtime/pages.h"
#include "runtime/sanitizer.h"

namespace trtmtcnn {
namespace {

constexpr std::align_val_t kAlignment{kCacheLine};

// From here on a mapping of its own wastes little. AddressSanitizer watches the edges of what `new` gave only.
bool has_mapping(size_t bytes) { return !kAddressSanitizer && bytes >= size_t{64} << 10; }

}  // namespace

void* allocate(size_t bytes) {
  if (!has_mapping(bytes)) return ::operator new(bytes, kAlignment);
  void* p = map_pages(bytes);
  if (!p) throw std::bad_alloc();
  return p;
}

void deallocate(void* p, size_t bytes) {
  if (has_mapping(bytes))
    unmap_pages(p, bytes);
  else
    ::operator delete(p, kAlignment);
}

}  // namespace trtmtcnn
