// How many boxes a cascade that is enqueued before any are counted makes room for, stage by stage. Every stage runs for
// as many as there is room for, so that room costs time, though little: what has no box ends at once.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "boxes.h"
#include "settings.h"

namespace trtmtcnn::cuda {

// By Next.
using BoxCounts = std::array<int, kNexts>;

// The rooms of one kind of call. They are chosen by what such calls needed.
class Rooms {
 public:
  // Of a call's frames; known: boxes take the place of P-Net's, of which there are few.
  Rooms(int frames, bool known) {
    for (int i = 0; i < kNexts; ++i) {
      const int64_t first = known ? kFirstKnown : kFirst[i];
      least_[i] = static_cast<int>(std::min<int64_t>(kMost, first * frames));
    }
    rooms_ = least_;
  }

  const BoxCounts& boxes() const { return rooms_; }

  void reserve(Next next, int boxes) {
    const int i = static_cast<int>(next);
    peaks_[i] = std::max(peaks_[i], boxes);
    if (boxes > rooms_[i]) rooms_[i] = roomy(i, boxes);
  }

  // Takes the numbers of boxes that came to each stage. Returns whether there was room for all, and makes more where
  // there was not.
  bool fits(const BoxCounts& needed) {
    bool all = true;
    for (int i = 0; i < kNexts; ++i) {
      all = all && needed[i] <= rooms_[i];
      reserve(static_cast<Next>(i), needed[i]);
    }
    calls_ = all ? calls_ + 1 : 0;
    if (calls_ == kWindow) shrink();
    return all;
  }

 private:
  // A frame's. Where more boxes come, the first calls are repeated; room that nobody needs would cost each call.
  static constexpr int kFirst[kNexts] = {256, 64, 32, 16}, kFirstKnown = 16;
  static constexpr int kUnit[kNexts] = {64, 16, 16, 16};
  static constexpr int kMost = 1 << 30;
  static constexpr int kWindow = 32;  // calls: room that none of them needed goes then

  int roomy(int next, int boxes) const {
    const int64_t unit = kUnit[next], more = int64_t{boxes} + boxes / 4;
    return std::max(least_[next], static_cast<int>(std::min<int64_t>((more + unit - 1) / unit * unit, kMost)));
  }

  void shrink() {
    for (int i = 0; i < kNexts; ++i)
      if (const int room = roomy(i, peaks_[i]); room <= rooms_[i] / 2) rooms_[i] = room;
    peaks_ = {};
    calls_ = 0;
  }

  BoxCounts rooms_{}, least_{}, peaks_{};
  int calls_ = 0;
};

// What tells one kind of call from another.
struct CascadeKind {
  CascadeSettings settings;
  int frames = 0;
  bool known = false;    // boxes take the place of P-Net's
  bool limited = false;  // frames have budgets
  bool operator==(const CascadeKind&) const = default;
};

// The rooms of the kinds that came last.
class RoomsByKind {
 public:
  Rooms& of(const CascadeKind& kind) {
    auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.kind == kind; });
    if (found == entries_.end()) {
      if (entries_.size() == kMost) {
        found = std::min_element(entries_.begin(), entries_.end(),
                                 [](const Entry& a, const Entry& b) { return a.used < b.used; });
        *found = {kind, Rooms(kind.frames, kind.known)};
      } else {
        found = entries_.insert(found, {kind, Rooms(kind.frames, kind.known)});
      }
    }
    found->used = ++time_;
    return found->rooms;
  }

 private:
  static constexpr size_t kMost = 16;

  struct Entry {
    CascadeKind kind;
    Rooms rooms;
    uint64_t used = 0;
  };

  std::vector<Entry> entries_;
  uint64_t time_ = 0;
};

}  // namespace trtmtcnn::cuda
