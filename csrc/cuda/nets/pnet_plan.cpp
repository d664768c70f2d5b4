#include "cuda/nets/pnet_plan.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>

#include "networks.h"

namespace trtmtcnn::cuda {
namespace {

// Of a chunk: 44 bytes of maps each, so that the next layer finds them in the second-level cache of a large GPU. Two
// 1080p pictures at minsize 40 have fewer; more would keep no GPU busier (not measured).
constexpr int64_t kMostPixels = int64_t{1} << 20;

int ceil_div(int a, int b) { return (a + b - 1) / b; }

}  // namespace

void PnetPlan::set(std::span<const Level> levels) {
  clear();
  bool begins_chunk = true;
  int64_t pixels = 0;  // of the chunk
  for (size_t i = 0; i < levels.size(); ++i) {
    const int rows = grid_cells(levels[i].size.height), columns = grid_cells(levels[i].size.width);
    if (rows == 0 || columns == 0) continue;
    const int64_t width = grid_pixels(columns);
    const auto fitting = [&] { return ((kMostPixels - pixels) / width - kCell) / kStride + 1; };
    for (int first = 0, count; first < rows; first += count) {
      if (pixels > 0 && fitting() < rows - first) {  // a level is cut only where it fits no chunk
        begins_chunk = true;
        pixels = 0;
      }
      count = static_cast<int>(std::clamp<int64_t>(fitting(), 1, rows - first));
      const int64_t taken = width * grid_pixels(count);
      if (pixels + taken > std::numeric_limits<int>::max() / kPnetMap) throw std::bad_alloc();
      add({static_cast<int>(i), first, grid_pixels(count), static_cast<int>(width), 0}, begins_chunk);
      begins_chunk = false;
      pixels += taken;
    }
    if (int64_t{cells} + int64_t{rows} * columns > std::numeric_limits<int>::max()) throw std::bad_alloc();
    cells += rows * columns;
  }
}

void PnetPlan::set(int images, Size size) {
  clear();
  if (int64_t{images} * size.height * size.width > std::numeric_limits<int>::max() / kPnetMap) throw std::bad_alloc();
  for (int i = 0; i < images; ++i) add({i, 0, size.height, size.width, 0}, i == 0);
}

void PnetPlan::clear() {
  tiles.clear();
  for (auto* starts : {&pixel_starts, &pooled_starts, &map_starts, &cell_starts}) starts->clear();
  chunks.clear();
  cells = 0;
}

void PnetPlan::add(const PnetTile& tile, bool begins_chunk) {
  if (begins_chunk) chunks.push_back({static_cast<int>(tiles.size())});
  PnetTiles& all = chunks.back().tiles;
  tiles.push_back(tile);
  tiles.back().map_start = all.map_pixels;
  pixel_starts.push_back(all.pixels);
  pooled_starts.push_back(all.pooled);
  map_starts.push_back(all.map_blocks);
  cell_starts.push_back(all.cell_blocks);
  ++all.count;
  all.pixels += tile.height * tile.width;
  all.pooled += tile.pooled_height() * tile.pooled_width();
  all.map_pixels += tile.map_height() * tile.map_width();
  all.map_blocks += blocks.map_parts * ceil_div(tile.map_height(), blocks.map_rows) * tile.map_width();
  all.cell_blocks += ceil_div(tile.cell_rows(), blocks.cell_rows) * tile.cell_columns();
}

PnetTiles PnetPlan::at(const PnetChunk& chunk, const PnetTile* device_tiles, const int* pixels, const int* pooled,
                       const int* map, const int* cell) const {
  PnetTiles found = chunk.tiles;
  found.tiles = device_tiles + chunk.first_tile;
  found.pixel_starts = pixels + chunk.first_tile;
  found.pooled_starts = pooled + chunk.first_tile;
  found.map_starts = map + chunk.first_tile;
  found.cell_starts = cell + chunk.first_tile;
  return found;
}

}  // namespace trtmtcnn::cuda
