// Pages of memory, asked of the operating system: pages_posix.cpp, pages_windows.cpp.
#pragma once

#include <cstddef>

namespace trtmtcnn {

size_t page_size();

// Zeros that may be read and written; null where the system has no more.
void* map_pages(size_t bytes);
// Addresses without memory, which allow_access() gives; null where there are none.
void* reserve_pages(size_t bytes);
// Of addresses without memory yet: gives them the system's large pages where it has such, for what changes access
// often.
void prefer_large_pages(void* pages, size_t bytes);
inline constexpr size_t kLargePage = size_t{2} << 20;  // what these have to be aligned to
// Of either, whole.
void unmap_pages(void* pages, size_t bytes);

// Of whole pages: what is in them stays.
void allow_access(void* pages, size_t bytes);
void forbid_access(void* pages, size_t bytes);
// Of whole pages: their memory goes back to the system, their addresses stay reserved.
void drop_pages(void* pages, size_t bytes);

// Reads memory that may not be there: false where it is not.
bool read_memory(const void* from, void* to, size_t bytes);

}  // namespace trtmtcnn
