// P-Net's layers, one after the other: the launches, and the memory between them.
#pragma once

#include <cstddef>

#include "cuda/buffer.h"
#include "cuda/kernels/pnet.h"
#include "cuda/kernels/pnet_fp16.h"
#include "cuda/nets/device_net.h"
#include "cuda/nets/pnet_plan.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class PnetLayers {
 public:
  // `net` must outlive it.
  PnetLayers(Runtime& runtime, const DeviceNet& net) : runtime_(runtime), net_(net), half_(net.is_half()) {}

  // Tiles must have been shared out so.
  PnetPlan::Blocks blocks() const { return half_ ? PnetPlan::Blocks{1, 1, 1} : PnetPlan::Blocks{}; }

  // Room for tiles of so many pixels in all, and pixels of the layers' maps.
  void reserve(int pixels, int pooled, int map_pixels) {
    static_assert(sizeof(TwoHalves) == sizeof(float));
    constexpr size_t kValue = sizeof(float);
    pixels_.reserve(4 * kValue * pixels);
    pooled_.reserve((half_ ? kTileStep : kPnetPooled) * kValue * pooled);
    map_.reserve(kPnetMap * kValue * map_pixels);
  }

  // The first layer's input: the tiles' pixels one after the other.
  NetInput pixels() const { return {pixels_.data(), half_ ? InputLayout::kSplitPixels : InputLayout::kPixels}; }

  // Enqueues the first two layers, over what is in pixels().
  void run(const PnetTiles& tiles) {
    if (half_) {
      for_each_warp(tiles.pooled, kPnetWarpPooled,
                    PnetConv1Fp16{tiles, in<TwoHalves>(pixels_), net_.half_layers[0], in<TwoHalves>(pooled_)});
      for_each_warp(tiles.map_pixels, kPnetWarpMap,
                    PnetConv2Fp16{tiles, in<TwoHalves>(pooled_), net_.half_layers[1], in<TwoHalves>(map_)});
    } else {
      runtime_.for_each(tiles.pooled, PnetConv1{tiles, in<float>(pixels_), net_.layers[0], in<float>(pooled_)});
      runtime_.for_each(tiles.map_blocks, PnetConv2{tiles, in<float>(pooled_), net_.layers[1], in<float>(map_)});
    }
  }

  // After run(): the third layer, and windows of cells whose score is at least `threshold` added to the boxes.
  void propose(const PnetTiles& tiles, const Level* levels, float threshold, const DeviceBoxes& boxes) {
    if (half_)
      for_each_warp(
          tiles.cell_blocks, kPnetWarpCells,
          PnetProposeFp16{tiles, in<TwoHalves>(map_), net_.half_layers[2], net_.half_heads, levels, threshold, boxes});
    else
      runtime_.for_each(tiles.cell_blocks,
                        PnetPropose{tiles, in<float>(map_), net_.layers[2], {net_.heads}, levels, threshold, boxes});
  }

  // After run(): the third layer and the outputs of all cells.
  void outputs(const PnetTiles& tiles, const PnetArrays& to) {
    if (half_)
      for_each_warp(tiles.cell_blocks, kPnetWarpCells,
                    PnetOutputsFp16{tiles, in<TwoHalves>(map_), net_.half_layers[2], net_.half_heads, to});
    else
      runtime_.for_each(tiles.cell_blocks, PnetOutputs{tiles, in<float>(map_), net_.layers[2], {net_.heads}, to});
  }

 private:
  using Memory = Buffer<Runtime, std::byte>;

  template <typename Value>
  static Value* in(const Memory& memory) {
    return reinterpret_cast<Value*>(memory.data());
  }

  // As many warps as n items take.
  template <typename Kernel>
  void for_each_warp(int n, int items, const Kernel& kernel) {
    runtime_.for_each_warp((n + items - 1) / items, kernel);
  }

  Runtime& runtime_;
  const DeviceNet& net_;
  bool half_;
  Memory pixels_{runtime_}, pooled_{runtime_}, map_{runtime_};
};

}  // namespace trtmtcnn::cuda
