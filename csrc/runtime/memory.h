// Memory that goes back to the system when it is given back. The C library keeps large buffers that come and go in
// heaps of each thread, which grow by the holes between them: so would a process that makes and closes detectors.
#pragma once

#include <cstddef>
#include <memory>

namespace trtmtcnn {

inline constexpr size_t kCacheLine = 64;

// On a cache line; what it holds is undefined. Throws std::bad_alloc.
void* allocate(size_t bytes);
void deallocate(void* p, size_t bytes);

struct Deallocate {
  size_t bytes = 0;
  void operator()(std::byte* p) const { deallocate(p, bytes); }
};

using Memory = std::unique_ptr<std::byte, Deallocate>;

inline Memory allocate_memory(size_t bytes) { return {static_cast<std::byte*>(allocate(bytes)), Deallocate{bytes}}; }

}  // namespace trtmtcnn
