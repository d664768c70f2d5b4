// Device memory that grows and is kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace trtmtcnn::cuda {

template <typename Runtime, typename T, bool pinned = false>
class Buffer {
 public:
  explicit Buffer(Runtime& runtime) : runtime_(&runtime) {}
  ~Buffer() { release(); }
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

  // Room for n items; what was there is lost where it grows. New memory is zero.
  void reserve(size_t n) {
    if (n <= size_) return;
    n = std::max(n, size_ + size_ / 2);
    if (data_) runtime_->synchronize();
    release();
    data_ = static_cast<T*>(pinned ? runtime_->allocate_pinned(n * sizeof(T)) : runtime_->allocate(n * sizeof(T)));
    size_ = n;
    if (!pinned) runtime_->zero(data_, n * sizeof(T));
  }

 private:
  void release() {
    if (data_) pinned ? runtime_->free_pinned(data_) : runtime_->free(data_);
    data_ = nullptr;
    size_ = 0;
  }

  Runtime* runtime_;
  T* data_ = nullptr;
  size_t size_ = 0;
};

// Copies all items to the device.
template <typename Runtime, typename T>
void upload(Runtime& runtime, Buffer<Runtime, T>& to, const std::vector<T>& from) {
  to.reserve(std::max<size_t>(from.size(), 1));
  runtime.upload(to.data(), from.data(), from.size() * sizeof(T));
}

}  // namespace trtmtcnn::cuda
