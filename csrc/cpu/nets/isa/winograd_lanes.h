// Winograd's F(2 x 4, 3 x 3) of three channels, where the instruction set multiplies by a lane.
#pragma once

#include "cpu/nets/isa/lanes.h"
#include "cpu/nets/isa/winograd.h"

#ifdef TRTMTCNN_LANES

namespace trtmtcnn::cpu {
namespace {

// Two tiles or two output channels at a time, whose products are added to the sums that they belong to as they come.
// In each place of the transform one operand is a vector for each of the three channels, and of the other one both have
// four values, the channels' and one that is not used: four lanes of a vector. Those are inputs and weights, or weights
// and inputs. kVectorsApart, kLanesApart: values from place to place.
template <ptrdiff_t kVectorsApart, ptrdiff_t kLanesApart>
class TwoByFour {
 public:
  using Down = F2x3;
  using Across = F4x3;
  static constexpr int kFour = 4;

  // pixels: [row][which of the two][column].
  static TRTMTCNN_INLINE void run(const Scalar* vectors, const Scalar* lanes, Vector bias, Vector second_bias,
                                  Vector (&pixels)[2][2][4]) {
    static_assert(Down::kOut == 2 && Across::kOut == 4);
    const Vector biases[2] = {bias, second_bias};
    Vector near[2][2], near_difference[2][2];
    {
      const Column one(vectors, lanes, 1, biases), two(vectors, lanes, 2);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        near[i / 2][i % 2] = one.sums[i / 2][i % 2] + two.sums[i / 2][i % 2];
        near_difference[i / 2][i % 2] = one.sums[i / 2][i % 2] - two.sums[i / 2][i % 2];
      }
    }
    {
      const Column three(vectors, lanes, 3), four(vectors, lanes, 4);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const int r = i / 2, t = i % 2;
        const Vector far = three.sums[r][t] + four.sums[r][t], far_difference = three.sums[r][t] - four.sums[r][t];
        pixels[r][t][0] = near[r][t] + far;
        pixels[r][t][1] = near_difference[r][t] + 2 * far_difference;
        pixels[r][t][2] = near[r][t] + 4 * far;
        pixels[r][t][3] = near_difference[r][t] + 8 * far_difference;
      }
    }
    {
      const Column zero(vectors, lanes, 0);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) pixels[i / 2][i % 2][0] += zero.sums[i / 2][i % 2];
    }
    {
      const Column five(vectors, lanes, 5);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) pixels[i / 2][i % 2][3] += five.sums[i / 2][i % 2];
    }
  }

 private:
  static constexpr int kTogether = kLanes / kFour, kSecond = (kTogether - 1) * kFour;  // the second's first lane
  static_assert(kTogether <= 2);

  struct Place {
    TRTMTCNN_INLINE Place(const Scalar* vectors, const Scalar* lanes, int row, int column) {
      const int place = row * Across::kIn + column;
      first = load(lanes + place * kLanesApart);
      second = kTogether == 2 ? first : load(lanes + place * kLanesApart + kFour);
#pragma GCC unroll 3
      for (int c = 0; c < 3; ++c) of[c] = load(vectors + place * kVectorsApart + c * kLanes);
    }

    template <int L>
    TRTMTCNN_INLINE Vector products(Vector x) const {
      return add_lane<L + 2>(add_lane<L + 1>(times_lane<L>(of[0], x), of[1], x), of[2], x);
    }
    template <int L>
    TRTMTCNN_INLINE Vector add(Vector sum, Vector x) const {
      return add_lane<L + 2>(add_lane<L + 1>(add_lane<L>(sum, of[0], x), of[1], x), of[2], x);
    }
    template <int L>
    TRTMTCNN_INLINE Vector subtract(Vector sum, Vector x) const {
      return subtract_lane<L + 2>(subtract_lane<L + 1>(subtract_lane<L>(sum, of[0], x), of[1], x), of[2], x);
    }

    Vector first, second, of[3];
  };

  // What a column of the transform is for the two rows of output: Down::output, made in the multiplications. Row by
  // row: sixteen sums leave no registers for more operands than a row's.
  struct Column {
    TRTMTCNN_INLINE Column(const Scalar* vectors, const Scalar* lanes, int column, const Vector* bias = nullptr) {
      Vector one[2];
      {
        const Place at(vectors, lanes, 1, column);
        one[0] = bias ? at.template add<0>(bias[0], at.first) : at.template products<0>(at.first);
        one[1] = bias ? at.template add<kSecond>(bias[1], at.second) : at.template products<kSecond>(at.second);
      }
      {
        const Place at(vectors, lanes, 2, column);
        const Vector two[2] = {at.template products<0>(at.first), at.template products<kSecond>(at.second)};
#pragma GCC unroll 2
        for (int t = 0; t < 2; ++t) sums[0][t] = one[t] + two[t], sums[1][t] = one[t] - two[t];
      }
      {
        const Place at(vectors, lanes, 0, column);
        sums[0][0] = at.template add<0>(sums[0][0], at.first);
        sums[0][1] = at.template add<kSecond>(sums[0][1], at.second);
      }
      {
        const Place at(vectors, lanes, 3, column);
        sums[1][0] = at.template subtract<0>(sums[1][0], at.first);
        sums[1][1] = at.template subtract<kSecond>(sums[1][1], at.second);
      }
    }

    Vector sums[2][2];  // [row][which]
  };
};

}  // namespace
}  // namespace trtmtcnn::cpu

#endif
