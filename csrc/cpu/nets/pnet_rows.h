// P-Net over a picture, row by row: what one row of a layer needs of the rows above it stays in the cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/nets/packed_net.h"

namespace trtmtcnn::cpu {

class PnetRows {
 public:
  // Rows [first, last) of P-Net's grid over a picture of which `conv_width` x `conv_height` pixels of the first
  // layer's output are used.
  // draw(y, float* row): the picture's row y, (conv_width + 2, 3) RGB, normalised.
  // take(y, n, const float* logits, const float* features): the grid's row y, n cells: by how much "face" outweighs
  // "not face", and 32 features each for NetKernels::pnet_heads.
  template <class Draw, class Take>
  void run(const PackedNet& net, int conv_width, int conv_height, int first, int last, Draw&& draw, Take&& take);

 private:
  static constexpr int kRing = 4;  // rows that a layer keeps: two more than it makes at a time

  void reserve(const NetKernels& kernels, int conv_width);
  void* at(std::vector<std::byte>& ring, size_t bytes, int row) { return &ring[bytes * (row % kRing)]; }

  std::vector<float> drawn_, features_, logits_;
  std::vector<std::byte> inputs_, pooled_, maps_;  // rings of rows
  size_t input_bytes_ = 0, pooled_bytes_ = 0, map_bytes_ = 0;
};

template <class Draw, class Take>
void PnetRows::run(const PackedNet& net, int conv_width, int conv_height, int first, int last, Draw&& draw,
                   Take&& take) {
  const NetKernels& k = net.kernels();
  reserve(k, conv_width);
  const int pooled = (conv_width + 1) / 2, input_floats = 3 * (conv_width + 2);
  int inputs_done = 2 * first, pooled_done = first, maps_done = first;

  const auto pool_row = [&] {
    const int q = pooled_done++;
    const bool partial = 2 * q + 1 == conv_height;  // the last window of an odd map has one row
    for (; inputs_done < 2 * q + (partial ? 3 : 4); ++inputs_done) {
      draw(inputs_done, drawn_.data());
      k.to_values(drawn_.data(), input_floats, at(inputs_, input_bytes_, inputs_done));
    }
    const void* rows[4];
    for (int r = 0; r < 4; ++r) rows[r] = at(inputs_, input_bytes_, 2 * q + r);
    k.pnet_conv1(net.convs()[0], rows, partial ? rows : rows + 1, conv_width, at(pooled_, pooled_bytes_, q));
  };
  const auto map_rows = [&] {
    const int y = maps_done, count = std::min(2, last + 2 - y);
    while (pooled_done < y + count + 2) pool_row();
    const void* rows[4];
    for (int r = 0; r < count + 2; ++r) rows[r] = at(pooled_, pooled_bytes_, y + r);
    void* const out[2] = {at(maps_, map_bytes_, y), at(maps_, map_bytes_, y + 1)};
    k.pnet_conv2(net.convs()[1], rows, count, pooled - 2, out);
    maps_done += count;
  };

  float* const features[2] = {features_.data(), features_.data() + features_.size() / 2};
  for (int y = first; y < last; y += 2) {
    const int count = std::min(2, last - y);
    while (maps_done < y + count + 2) map_rows();
    const void* rows[4];
    for (int r = 0; r < count + 2; ++r) rows[r] = at(maps_, map_bytes_, y + r);
    k.pnet_conv3(net.convs()[2], rows, count, pooled - 4, features);
    for (int r = 0; r < count; ++r) {
      k.pnet_dot(features[r], pooled - 4, net.face_weights(), net.face_bias(), logits_.data());
      take(y + r, pooled - 4, logits_.data(), features[r]);
    }
  }
}

}  // namespace trtmtcnn::cpu
