// The order in which a modelled GPU runs a kernel's threads: any, and another one each time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace trtmtcnn::testing {

class ThreadOrder {
 public:
  explicit ThreadOrder(uint32_t seed) : random_(seed) {}

  // Calls body(i) once for each i in [0, n).
  template <typename Body>
  void visit(int n, const Body& body) {
    switch (random_() % 4) {
      case 0:
        for (int i = 0; i < n; ++i) body(i);
        return;
      case 1:
        for (int i = n; i-- > 0;) body(i);
        return;
      default: warps(n, body);
    }
  }

  // The lane of a warp that runs first.
  int lane() { return static_cast<int>(random_() % kWarp); }

 private:
  static constexpr int kWarp = 32;

  // Warps in random order, each from a random lane on.
  template <typename Body>
  void warps(int n, const Body& body) {
    warps_.resize((n + kWarp - 1) / kWarp);
    std::iota(warps_.begin(), warps_.end(), 0);
    std::shuffle(warps_.begin(), warps_.end(), random_);
    for (const int warp : warps_) {
      const int first = kWarp * warp, lanes = std::min(n - first, kWarp);
      const int from = static_cast<int>(random_() % static_cast<uint32_t>(lanes));
      for (int lane = from; lane < lanes; ++lane) body(first + lane);
      for (int lane = 0; lane < from; ++lane) body(first + lane);
    }
  }

  std::mt19937 random_;
  std::vector<int> warps_;
};

}  // namespace trtmtcnn::testing
