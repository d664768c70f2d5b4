// How P-Net's levels are cut into tiles that are worked on at once.
#pragma once

#include <span>
#include <vector>

#include "cuda/kernels/pnet.h"
#include "types.h"

namespace trtmtcnn::cuda {

// Tiles that are worked on at once: a launch of each layer does for all of them.
struct PnetChunk {
  int first_tile = 0;
  PnetTiles tiles{};  // its pointers are set where the tiles are on the device
};

struct PnetPlan {
  // How the second and third layers are shared out; see PnetTiles.
  struct Blocks {
    int map_rows = kPnetMapRows, map_parts = kPnetMapParts, cell_rows = kPnetCellRows;
  };
  Blocks blocks;

  std::vector<PnetTile> tiles;
  std::vector<int> pixel_starts, pooled_starts, map_starts, cell_starts;  // of each tile, in its chunk
  std::vector<PnetChunk> chunks;
  int cells = 0;  // of all levels

  // Throws std::bad_alloc where a chunk's pixels cannot be counted: they are GiB.
  void set(std::span<const Level> levels);
  // Images of one size, all cells of each, an odd last row or column included.
  void set(int images, Size size);

  // The tiles of a chunk, where the arrays are on the device.
  PnetTiles at(const PnetChunk& chunk, const PnetTile* device_tiles, const int* pixels, const int* pooled,
               const int* map, const int* cell) const;

 private:
  void clear();
  void add(const PnetTile& tile, bool begins_chunk);
};

}  // namespace trtmtcnn::cuda
