#include "cpu/nms.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace trtmtcnn::cpu {
namespace {

// Below this many boxes a plain scan of those kept is as fast as the grid.
constexpr size_t kGridFrom = 128;
// An overlap above t bounds how far two boxes' sides differ: by 1 / t. Below this t the bound is too loose to help.
constexpr float kGridThreshold = 0.1f;

int octave(float side) { return side > 0 ? std::clamp(std::ilogb(side), -126, 127) : -126; }

float cell_size(int octave) { return std::ldexp(2.0f, octave); }

int64_t cell_of(float position, float cell) {
  return static_cast<int64_t>(std::floor(std::clamp(position / cell, -1e9f, 1e9f)));
}

uint64_t grid_key(int group, int octave, int64_t x, int64_t y) {
  uint64_t key = static_cast<uint64_t>(x) * 0x9E3779B97F4A7C15u;
  key = (key ^ (key >> 29)) + static_cast<uint64_t>(y) * 0xBF58476D1CE4E5B9u;
  key = (key ^ (key >> 31)) + static_cast<uint64_t>(octave) * 0x94D049BB133111EBu;
  key = (key ^ (key >> 30)) + static_cast<uint64_t>(group) * 0xD6E8FEB86659FD93u;
  return key ^ (key >> 32);
}

}  // namespace

int Nms::suppressor_by_scan(const std::vector<Box>& boxes, int candidate, size_t frame_begin) {
  for (size_t k = frame_begin; k < kept_.size(); ++k)
    if (rule_.suppresses(boxes[kept_[k]], boxes[candidate])) return kept_[k];
  return -1;
}

// Kept boxes lie in hashed cells by the octave of their width and the place of their centre, so that
// only near ones of like size are compared.
int Nms::suppressor_by_grid(const std::vector<Box>& boxes, int candidate, size_t frame_begin) {
  const Box& b = boxes[candidate];
  const float w = b.width(), h = b.height();
  const float reach = 1.001f / rule_.threshold;  // a little more than 1 / t, for rounding
  const float cx = b.x1 + w * 0.5f, cy = b.y1 + h * 0.5f;
  const float ry = (h + h * reach) * 0.5f;
  const int group = rule_.scope == Scope::kLevel ? b.level : 0;
  int64_t worthwhile = static_cast<int64_t>(kept_.size() - frame_begin) / 2 + 16;  // cells; a scan costs less than more
  for (int o = octave(w / reach); o <= octave(w * reach); ++o) {
    const float cell = cell_size(o);
    const float rx = (w + std::min(w * reach, cell)) * 0.5f;
    const int64_t x_first = cell_of(cx - rx, cell), x_last = cell_of(cx + rx, cell);
    const int64_t y_first = cell_of(cy - ry, cell), y_last = cell_of(cy + ry, cell);
    worthwhile -= (x_last - x_first + 1) * (y_last - y_first + 1);
    if (worthwhile < 0) return suppressor_by_scan(boxes, candidate, frame_begin);
    for (int64_t y = y_first; y <= y_last; ++y) {
      for (int64_t x = x_first; x <= x_last; ++x) {
        const uint64_t key = grid_key(group, o, x, y);
        for (int e = heads_[key & (heads_.size() - 1)]; e >= 0; e = entries_[e].next)
          if (entries_[e].key == key && rule_.suppresses(boxes[entries_[e].box], b)) return entries_[e].box;
      }
    }
  }
  return -1;
}

void Nms::add_to_grid(const std::vector<Box>& boxes, int kept) {
  const Box& b = boxes[kept];
  const int o = octave(b.width());
  const float cell = cell_size(o);
  const uint64_t key = grid_key(rule_.scope == Scope::kLevel ? b.level : 0, o, cell_of(b.x1 + b.width() * 0.5f, cell),
                                cell_of(b.y1 + b.height() * 0.5f, cell));
  int& head = heads_[key & (heads_.size() - 1)];
  entries_.push_back({key, kept, head});
  head = static_cast<int>(entries_.size()) - 1;
}

const std::vector<int>& Nms::run(const std::vector<Box>& boxes, const SuppressionRule& rule, int keep) {
  rule_ = rule;
  kept_.clear();
  suppressors_.assign(boxes.size(), -1);
  order_.resize(boxes.size());
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(), [&](int a, int b) { return ranks_before(boxes[a], boxes[b]); });

  const bool grid = rule.kind == Overlap::kIoU && rule.threshold >= kGridThreshold && boxes.size() >= kGridFrom;
  size_t frame_begin = 0;  // within kept_
  int frame = -1;
  for (const int i : order_) {
    if (boxes[i].frame != frame) {
      frame = boxes[i].frame;
      frame_begin = kept_.size();
      if (grid) {
        heads_.assign(std::bit_ceil(2 * boxes.size()), -1);
        entries_.clear();
      }
    }
    if (kept_.size() - frame_begin >= static_cast<size_t>(keep)) continue;
    if (!rule.may_suppress(boxes[i])) {
      kept_.push_back(i);
      continue;
    }
    suppressors_[i] = grid ? suppressor_by_grid(boxes, i, frame_begin) : suppressor_by_scan(boxes, i, frame_begin);
    if (suppressors_[i] >= 0) continue;
    kept_.push_back(i);
    if (grid) add_to_grid(boxes, i);
  }
  return kept_;
}

}  // namespace trtmtcnn::cpu
