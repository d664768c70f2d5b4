// Pinned memory that uploads read from: it is used again only when the stream has passed them, so that no copy reads a
// variable that is gone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "cuda/buffer.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class Staging {
 public:
  explicit Staging(Runtime& runtime) : runtime_(runtime) {}

  // Room for n bytes, until the host has next waited for the stream: to be filled and uploaded before that.
  std::byte* take(size_t n) {
    if (passed_ != runtime_.synchronisations()) reset();
    const size_t needed = aligned(n);
    if (blocks_.empty() || blocks_.back().size() - used_ < needed) add_block(std::max(needed, kLeast));
    std::byte* taken = blocks_.back().data() + used_;
    used_ += needed;
    return taken;
  }

  // Copies arrays to the device, all in one piece; returns where each is.
  template <typename... T>
  std::tuple<const T*...> upload(Buffer<Runtime, std::byte>& to, std::span<const T>... arrays) {
    static_assert((std::is_trivially_copyable_v<T> && ...));
    to.reserve(std::max<size_t>((aligned(arrays.size_bytes()) + ...), 1));  // may wait, so first
    std::byte* const from = take((aligned(arrays.size_bytes()) + ...));
    size_t end = 0;
    const auto place = [&]<typename Item>(std::span<const Item> array) {
      const size_t at = end;
      if (!array.empty()) std::memcpy(from + at, array.data(), array.size_bytes());
      end += aligned(array.size_bytes());
      return reinterpret_cast<const Item*>(to.data() + at);
    };
    std::tuple<const T*...> places{place(arrays)...};  // in their order, as braces have it
    runtime_.upload(to.data(), from, end);
    return places;
  }

 private:
  static constexpr size_t kLeast = size_t{64} << 10;
  static constexpr size_t kAlignment = 256;  // as device memory begins
  static constexpr size_t aligned(size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

  // One block takes the place of several.
  void reset() {
    passed_ = runtime_.synchronisations();
    used_ = 0;
    if (blocks_.size() < 2) return;
    size_t total = 0;
    for (const auto& block : blocks_) total += block.size();
    blocks_.clear();
    add_block(total);
  }

  void add_block(size_t n) {
    Buffer<Runtime, std::byte, true> block(runtime_);
    block.reserve(n);
    blocks_.push_back(std::move(block));
    used_ = 0;
  }

  Runtime& runtime_;
  std::vector<Buffer<Runtime, std::byte, true>> blocks_;
  size_t used_ = 0;  // of the last block
  size_t passed_ = 0;
};

}  // namespace trtmtcnn::cuda
