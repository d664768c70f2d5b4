#include "cpu/nets/pnet_rows.h"

#include "runtime/grow.h"

namespace trtmtcnn::cpu {

void PnetRows::reserve(const NetKernels& kernels, int conv_width) {
  const auto bytes = [&](size_t values) { return ((values + kOverrun) * kernels.value_size + 63) / 64 * 64; };
  const size_t input = static_cast<size_t>(conv_width) + 2, pooled = (static_cast<size_t>(conv_width) + 1) / 2;
  input_bytes_ = pnet_row_bytes(static_cast<int>(input), kernels);
  pooled_bytes_ = bytes(static_cast<size_t>(kernels.pooled_stride) * (pooled + kOverrun));
  map_bytes_ = bytes(16 * (pooled + (kernels.tiles ? kOverrun : 0)));
  grow(inputs_, kInputRing * input_bytes_);
  grow(pooled_, kRing * pooled_bytes_);
  grow(maps_, kRing * map_bytes_);
  grow(drawn_, 3 * (input + kOverrun));
  grow(features_, kRows * 32 * (pooled + kOverrun));
  grow(logits_, pooled + kOverrun);
}

}  // namespace trtmtcnn::cpu
