#include <sys/mman.h>
#include <unistd.h>

#include "runtime/pages.h"
#ifdef __APPLE__
#include <mach/mach.h>
#else
#include <sys/uio.h>
#endif

namespace trtmtcnn {
namespace {

void* map(void* at, size_t bytes, int protection, int flags) {
  void* pages = mmap(at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return pages == MAP_FAILED ? nullptr : pages;
}

}  // namespace

size_t page_size() {
  static const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

void* map_pages(size_t bytes) { return map(nullptr, bytes, PROT_READ | PROT_WRITE, 0); }

void* reserve_pages(size_t bytes) { return map(nullptr, bytes, PROT_NONE, MAP_NORESERVE); }

void prefer_large_pages([[maybe_unused]] void* pages, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  madvise(pages, bytes, MADV_HUGEPAGE);
#endif
}

void unmap_pages(void* pages, size_t bytes) { munmap(pages, bytes); }

void allow_access(void* pages, size_t bytes) { mprotect(pages, bytes, PROT_READ | PROT_WRITE); }

void forbid_access(void* pages, size_t bytes) { mprotect(pages, bytes, PROT_NONE); }

void drop_pages(void* pages, size_t bytes) { map(pages, bytes, PROT_NONE, MAP_NORESERVE | MAP_FIXED); }

bool read_memory(const void* from, void* to, size_t bytes) {
#ifdef __APPLE__
  vm_size_t read = 0;
  return vm_read_overwrite(mach_task_self(), reinterpret_cast<vm_address_t>(from), bytes,
                           reinterpret_cast<vm_address_t>(to), &read) == KERN_SUCCESS &&
         read == bytes;
#else
  iovec local{to, bytes}, remote{const_cast<void*>(from), bytes};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes);
#endif
}

}  // namespace trtmtcnn
