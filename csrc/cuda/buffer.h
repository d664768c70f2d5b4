// Memory of the device, or pinned memory of the host, that grows and is kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <new>
#include <utility>

namespace trtmtcnn::cuda {

template <typename Runtime, typename T, bool pinned = false>
class Buffer {
 public:
  explicit Buffer(Runtime& runtime) : runtime_(&runtime) {}
  ~Buffer() {
    if (data_) pinned ? runtime_->free_pinned(data_) : runtime_->free(data_);
  }
  Buffer(Buffer&& other) noexcept
      : runtime_(other.runtime_), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() const { return data_; }
  size_t size() const { return size_; }

  // Room for n items; what was there is lost where it grows. New memory of the device is zero. Where there is
  // none, nothing changes.
  void reserve(size_t n) {
    if (n > size_) *this = larger(n);
  }

  // A new buffer for at least n items, for those that grow together or not at all. When this returns the stream has
  // passed all use of the old memory, which may be freed.
  [[nodiscard]] Buffer larger(size_t n) const {
    constexpr size_t kMost = std::numeric_limits<ptrdiff_t>::max() / sizeof(T);
    if (n > kMost) throw std::bad_alloc();
    Buffer grown(*runtime_);
    grown.allocate(std::max(n, std::min(size_ + size_ / 2, kMost)));
    if (!pinned) runtime_->zero(grown.data_, grown.size_ * sizeof(T));
    if (data_) runtime_->synchronize();
    return grown;
  }

 private:
  void allocate(size_t n) {
    data_ = static_cast<T*>(pinned ? runtime_->allocate_pinned(n * sizeof(T)) : runtime_->allocate(n * sizeof(T)));
    size_ = n;
  }

  Runtime* runtime_;
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace trtmtcnn::cuda
