// P-Net over a picture, row by row: what one row of a layer needs of the rows above it stays in the cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/nets/packed_net.h"
#include "runtime/aligned.h"

namespace trtmtcnn::cpu {

class PnetRows {
 public:
  // Rows [first, last) of P-Net's grid over a picture of which `conv_width` x `conv_height` pixels of the first
  // layer's output are used. `first` is a multiple of four: rows then come out the same wherever a band begins.
  // draw(y, float* row): the picture's row y, (conv_width + 2, 3) RGB, normalised.
  // take(y, n, const float* logits, const float* features): the grid's row y, n cells: by how much "face" outweighs
  // "not face", and 32 features each for NetKernels::pnet_heads.
  template <class Draw, class Take>
  void run(const PackedNet& net, int conv_width, int conv_height, int first, int last, Draw&& draw, Take&& take);

 private:
  static constexpr int kRows = 4;                  // that conv2 and conv3 make at a time
  static constexpr int kInputRing = 4, kRing = 8;  // rows kept: what the next layer makes its rows of

  void reserve(const NetKernels& kernels, int conv_width);
  // Where a layer's next rows begin: kRows at a time, of which the last of a picture overlap the ones before.
  static int group(int row, int height) { return std::max(0, std::min(row, height - kRows)); }

  std::vector<float> drawn_, logits_;
  AlignedVector<float> features_;
  AlignedVector<std::byte> inputs_, pooled_, maps_;  // rings of rows
  size_t input_bytes_ = 0, pooled_bytes_ = 0, map_bytes_ = 0;
};

template <class Draw, class Take>
void PnetRows::run(const PackedNet& net, int conv_width, int conv_height, int first, int last, Draw&& draw,
                   Take&& take) {
  const NetKernels& k = net.kernels();
  const KernelSession session(k);
  reserve(k, conv_width);
  const int pooled = (conv_width + 1) / 2, height = (conv_height + 1) / 2 - 4;
  const int start = group(first, height) / kRows * kRows;
  int inputs_done = 2 * start, pooled_done = start, maps_done = start;
  const auto input = [&](int y) -> void* { return &inputs_[input_bytes_ * (y % kInputRing)]; };
  const auto pooled_row = [&](int y) -> void* { return &pooled_[pooled_bytes_ * (y % kRing)]; };
  const auto map_row = [&](int y) -> void* { return &maps_[map_bytes_ * (y % kRing)]; };

  const auto pool = [&] {
    const int q = pooled_done++;
    const int count = 2 * q + 1 == conv_height ? 1 : 2;  // the last window of an odd map has one row
    for (; inputs_done < 2 * q + count + 2; ++inputs_done) {
      draw(inputs_done, drawn_.data());
      k.pnet_input(drawn_.data(), conv_width + 2, input(inputs_done));
    }
    const void* rows[4];
    for (int r = 0; r < count + 2; ++r) rows[r] = input(2 * q + r);
    k.pnet_conv1(net.convs()[0], rows, count, conv_width, pooled_row(q));
  };
  const auto map = [&] {
    const int y = group(maps_done, height + 2), count = std::min(kRows, height + 2 - y);
    while (pooled_done < y + count + 2) pool();
    const void* rows[kRows + 2];
    void* out[kRows];
    for (int r = 0; r < count + 2; ++r) rows[r] = pooled_row(y + r);
    for (int r = 0; r < count; ++r) out[r] = map_row(y + r);
    k.pnet_conv2(net.convs()[1], rows, count, pooled - 2, out);
    maps_done = y + count;
  };

  float* features[kRows];
  for (int r = 0; r < kRows; ++r) features[r] = features_.data() + features_.size() / kRows * r;
  for (int done = first; done < last;) {
    const int y = group(done, height), count = std::min(kRows, height - y);
    while (maps_done < y + count + 2) map();
    const void* rows[kRows + 2];
    for (int r = 0; r < count + 2; ++r) rows[r] = map_row(y + r);
    k.pnet_conv3(net.convs()[2], rows, count, pooled - 4, features);
    for (const int end = std::min(last, y + count); done < end; ++done) {
      const float* row = features[done - y];
      k.pnet_dot(row, pooled - 4, net.face_weights(), net.face_bias(), logits_.data());
      take(done, pooled - 4, logits_.data(), row);
    }
  }
}

}  // namespace trtmtcnn::cpu
