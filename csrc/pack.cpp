#include "pack.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>

namespace trtmtcnn {
namespace {

int bucket_height(int height, int max_height) {
  const int step = std::max(16, static_cast<int>(std::bit_floor(static_cast<unsigned>(height))) / 8);
  return std::min(max_height, (height + step - 1) / step * step);
}

constexpr int64_t kMostTiles = 1 << 17;

std::vector<Tile> split(std::span<const Level> levels, int width, int max_height) {
  const int most_x = grid_cells(width), most_y = grid_cells(max_height);
  std::vector<Tile> tiles;
  for (size_t l = 0; l < levels.size(); ++l) {
    const int cells_x = grid_cells(levels[l].size.width), cells_y = grid_cells(levels[l].size.height);
    if (cells_x == 0 || cells_y == 0) continue;
    const int columns = (cells_x + most_x - 1) / most_x, rows = (cells_y + most_y - 1) / most_y;
    if (static_cast<int64_t>(tiles.size()) + int64_t{columns} * rows > kMostTiles)
      throw std::invalid_argument("levels are too large: look for larger faces, or at a smaller picture");
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) {
        Tile tile;
        tile.level = static_cast<int>(l);
        tile.cell_x = static_cast<int>(int64_t{cells_x} * c / columns);
        tile.cell_y = static_cast<int>(int64_t{cells_y} * r / rows);
        tile.cells_x = static_cast<int>(int64_t{cells_x} * (c + 1) / columns) - tile.cell_x;
        tile.cells_y = static_cast<int>(int64_t{cells_y} * (r + 1) / rows) - tile.cell_y;
        tiles.push_back(tile);
      }
    }
  }
  return tiles;
}

// Skyline packing: the canvas's free space is what lies below a line of horizontal segments.
class Skyline {
 public:
  Skyline(int width, int max_height) : segments_{{0, 0, width}}, width_(width), max_height_(max_height) {}

  bool place(Tile& tile) {
    const int w = tile.width(), h = tile.height();
    int best_y = std::numeric_limits<int>::max(), best_x = 0;
    for (size_t i = 0; i < segments_.size(); ++i) {
      const int x = segments_[i].x;
      if (x + w > width_) break;
      int y = 0;
      for (size_t j = i; j < segments_.size() && segments_[j].x < x + w; ++j) y = std::max(y, segments_[j].y);
      if (y + h <= max_height_ && y < best_y) best_y = y, best_x = x;
    }
    if (best_y == std::numeric_limits<int>::max()) return false;
    tile.canvas_x = best_x;
    tile.canvas_y = best_y;
    cover(best_x, best_y + h, w);
    height_ = std::max(height_, best_y + h);
    return true;
  }

  int height() const { return height_; }

 private:
  struct Segment {
    int x, y, width;
  };

  void cover(int x, int y, int w) {
    std::vector<Segment> next;
    for (const Segment& s : segments_) {
      if (s.x < x) next.push_back({s.x, s.y, std::min(s.width, x - s.x)});
      if (s.x <= x && x < s.x + s.width) next.push_back({x, y, w});
      const int end = s.x + s.width;
      if (end > x + w) {
        const int from = std::max(s.x, x + w);
        next.push_back({from, s.y, end - from});
      }
    }
    segments_ = std::move(next);
  }

  std::vector<Segment> segments_;
  int width_, max_height_;
  int height_ = 0;
};

std::vector<Canvas> pack_width(std::span<const Level> levels, int width, int max_height) {
  std::vector<Tile> tiles = split(levels, width, max_height);
  std::stable_sort(tiles.begin(), tiles.end(), [](const Tile& a, const Tile& b) { return a.height() > b.height(); });
  std::vector<Canvas> canvases;
  std::vector<Skyline> skylines;
  size_t first_open = 0;  // a canvas nothing fitted into lately is left alone
  for (Tile& tile : tiles) {
    size_t c = first_open;
    while (c < canvases.size() && !skylines[c].place(tile)) ++c;
    if (c == canvases.size()) {
      canvases.emplace_back();
      skylines.emplace_back(width, max_height);
      skylines[c].place(tile);
      if (canvases.size() > 8) first_open = canvases.size() - 8;
    }
    canvases[c].tiles.push_back(tile);
  }
  for (size_t c = 0; c < canvases.size(); ++c)
    canvases[c].size = {bucket_height(skylines[c].height(), max_height), width};
  return canvases;
}

int64_t area(const std::vector<Canvas>& canvases) {
  int64_t sum = 0;
  for (const Canvas& c : canvases) sum += int64_t{c.size.height} * c.size.width;
  return sum;
}

}  // namespace

std::vector<Canvas> pack(std::span<const Level> levels, const PackLimits& limits) {
  std::vector<Canvas> best;
  for (const int width : limits.widths) {
    std::vector<Canvas> canvases = pack_width(levels, width, limits.max_height);
    if (best.empty() || area(canvases) < area(best)) best = std::move(canvases);
  }
  return best;
}

}  // namespace trtmtcnn
