#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "runtime/pages.h"

namespace trtmtcnn {

size_t page_size() {
  static const size_t bytes = [] {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return size_t{info.dwPageSize};
  }();
  return bytes;
}

void* map_pages(size_t bytes) { return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); }

void* reserve_pages(size_t bytes) { return VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_NOACCESS); }

void prefer_large_pages(void*, size_t) {}

void unmap_pages(void* pages, size_t) { VirtualFree(pages, 0, MEM_RELEASE); }

void allow_access(void* pages, size_t bytes) {
  VirtualAlloc(pages, bytes, MEM_COMMIT, PAGE_READWRITE);
  DWORD before;
  VirtualProtect(pages, bytes, PAGE_READWRITE, &before);  // of those that had memory
}

void forbid_access(void* pages, size_t bytes) {
  DWORD before;
  VirtualProtect(pages, bytes, PAGE_NOACCESS, &before);
}

void drop_pages(void* pages, size_t bytes) { VirtualFree(pages, bytes, MEM_DECOMMIT); }

bool read_memory(const void* from, void* to, size_t bytes) {
  SIZE_T read = 0;
  return ReadProcessMemory(GetCurrentProcess(), from, to, bytes, &read) && read == bytes;
}

}  // namespace trtmtcnn
