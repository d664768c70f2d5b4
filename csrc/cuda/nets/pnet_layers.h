// P-Net's layers, one after the other: the launches, and the memory between them.
#pragma once

#include <cstddef>

#include "cuda/buffer.h"
#include "cuda/kernels/pnet.h"
#include "cuda/nets/device_net.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class PnetLayers {
 public:
  // `net` must outlive it.
  PnetLayers(Runtime& runtime, const DeviceNet& net) : runtime_(runtime), net_(net) {}

  // Room for tiles of so many pixels in all, and pixels of the layers' maps.
  void reserve(int pixels, int pooled, int map_pixels) {
    pixels_.reserve(size_t{4} * pixels);
    pooled_.reserve(size_t{kPnetPooled} * pooled);
    map_.reserve(size_t{kPnetMap} * map_pixels);
  }

  // The first layer's input: the tiles' pixels one after the other.
  float* pixels() const { return pixels_.data(); }

  // Enqueues the first two layers, over what is in pixels().
  void run(const PnetTiles& tiles) {
    runtime_.for_each(tiles.pooled, PnetConv1{tiles, pixels_.data(), net_.layers[0], pooled_.data()});
    runtime_.for_each(tiles.map_blocks, PnetConv2{tiles, pooled_.data(), net_.layers[1], map_.data()});
  }

  // After run(): the third layer, and windows of cells whose score is at least `threshold` added to the boxes.
  void propose(const PnetTiles& tiles, const Level* levels, float threshold, const DeviceBoxes& boxes) {
    runtime_.for_each(tiles.cell_blocks,
                      PnetPropose{tiles, map_.data(), net_.layers[2], {net_.heads}, levels, threshold, boxes});
  }

  // After run(): the third layer and the outputs of all cells, (n, 2, rows, columns) and (n, 4, rows, columns).
  void outputs(const PnetTiles& tiles, float* prob, float* regression) {
    runtime_.for_each(tiles.cell_blocks,
                      PnetOutputs{tiles, map_.data(), net_.layers[2], {net_.heads}, prob, regression});
  }

 private:
  Runtime& runtime_;
  const DeviceNet& net_;
  Buffer<Runtime, float> pixels_{runtime_}, pooled_{runtime_}, map_{runtime_};
};

}  // namespace trtmtcnn::cuda
