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
  static constexpr int kInputs = 4, kMaps = 3;

  void reserve(const NetKernels& kernels, int conv_width);
  void* at(std::vector<std::byte>& ring, size_t bytes, int row, int rows) { return &ring[bytes * (row % rows)]; }

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
  int drawn = 2 * first;
  for (int q = first; q < last + 4; ++q) {
    const bool partial = 2 * q + 1 == conv_height;  // the last window of an odd map has one row
    for (; drawn < 2 * q + (partial ? 3 : 4); ++drawn) {
      draw(drawn, drawn_.data());
      k.to_values(drawn_.data(), input_floats, at(inputs_, input_bytes_, drawn, kInputs));
    }
    const void* rows[4];
    for (int r = 0; r < 4; ++r) rows[r] = at(inputs_, input_bytes_, 2 * q + r, kInputs);
    k.pnet_conv1(net.convs()[0], rows, partial ? rows : rows + 1, conv_width, at(pooled_, pooled_bytes_, q, kMaps));
    if (q < first + 2) continue;
    for (int r = 0; r < 3; ++r) rows[r] = at(pooled_, pooled_bytes_, q - 2 + r, kMaps);
    k.pnet_conv2(net.convs()[1], rows, pooled - 2, at(maps_, map_bytes_, q - 2, kMaps));
    if (q < first + 4) continue;
    for (int r = 0; r < 3; ++r) rows[r] = at(maps_, map_bytes_, q - 4 + r, kMaps);
    k.pnet_conv3(net.convs()[2], rows, pooled - 4, features_.data());
    k.pnet_dot(features_.data(), pooled - 4, net.face_weights(), net.face_bias(), logits_.data());
    take(q - 4, pooled - 4, logits_.data(), features_.data());
  }
}

}  // namespace trtmtcnn::cpu
