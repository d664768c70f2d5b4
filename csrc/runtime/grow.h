// Buffers that grow and are kept, so that nothing is allocated in steady state and addresses hold.
#pragma once

#include <cstddef>

namespace trtmtcnn {

template <class Vector>
void grow(Vector& buffer, size_t n) {
  if (buffer.size() < n) buffer.resize(n);
}

}  // namespace trtmtcnn
