// The set of boxes on the device. Operations are enqueued for as many boxes as there may be; the host waits only in
// count() and read() and, where it runs ahead, in fetch().
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "boxes.h"
#include "cuda/buffer.h"
#include "cuda/kernels/box_set.h"
#include "cuda/rooms.h"
#include "cuda/staging.h"
#include "cuda/suppressor.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class BoxSet final : public Boxes {
 public:
  BoxSet(Runtime& runtime, Staging<Runtime>& staging) : runtime_(runtime), staging_(staging) {
    counters_.reserve(kCounters);
    host_counters_.reserve(kCounters);
    host_boxes_.reserve(kFirstFaces);
    reserve(kFirstCapacity);
  }

  // Frames' sizes, on the device.
  void set_frames(const Size* sizes, int count) {
    frame_sizes_ = sizes;
    frame_count_ = count;
  }

  void discard() noexcept override {
    forget();
    rooms_ = nullptr;
    charged_frames_ = 0;
  }

  // For kernels to add to.
  void clear() {
    forget();
    current_ = 0;
    runtime_.zero(counters_.data(), kCounters * sizeof(int));
  }

  // The set, for kernels, which may change it.
  DeviceBoxes current() {
    counted_ = fetched_ = false;
    return {sets_[current_].data(), counter(current_counter()), capacity_};
  }

  // The set, for kernels that change no more than its boxes' landmarks.
  DeviceBoxes with_landmarks() {
    fetched_ = false;
    return {sets_[current_].data(), counter(current_counter()), capacity_};
  }

  // No more boxes than this are in the set.
  int bound() const { return bound_; }

  // To be called after a kernel that may have added `most` boxes.
  void added_at_most(int most) {
    bound_ = static_cast<int>(std::min<int64_t>(capacity_, int64_t{bound_} + most));
    runtime_.for_each(1, KeepLargerCount{current().count, counter(kProposed)});
  }

  // After count(): where more boxes were added than there was room for, makes room and returns true. The boxes must
  // then be proposed again. Throws std::invalid_argument where their suppression would take more than seconds.
  bool make_room() {
    check_number("P-Net proposes ", proposed_, "raise thresholds[0] or minsize, lower factor, or give fewer pictures");
    if (proposed_ <= capacity_) return false;
    reserve(proposed_);
    return true;
  }

  // From now on, until discard() or fetch(), left() waits for nothing: it tells what there is room for.
  void run_ahead(const BoxCounts& rooms) {
    rooms_ = &rooms;
    limited_ = {};
  }

  int left(Next next) override {
    if (!rooms_) return count();
    const int i = static_cast<int>(next), room = (*rooms_)[i];
    if (bound_ == 0 || std::exchange(limited_[i], true)) return bound_;
    runtime_.for_each(1, Limit{current().count, room, counter(kNeeded) + i});
    return bound_ = std::min(bound_, room);
  }

  // While running ahead, before the work that is the same in every call: budgets of the frames, none for no limit, and
  // what a box costs that a network is shown. charge() then counts.
  void limit_work(std::span<const int64_t> budgets, const std::array<int64_t, kNetworks>& box_costs) {
    charged_frames_ = static_cast<int>(budgets.size());
    box_costs_ = box_costs;
    if (budgets.empty()) return;
    work_.reserve(budgets.size());
    host_work_.reserve(budgets.size());
    auto* const staged = reinterpret_cast<FrameWork*>(staging_.take(budgets.size() * sizeof(FrameWork)));
    for (size_t i = 0; i < budgets.size(); ++i) new (staged + i) FrameWork{budgets[i], {}};
    runtime_.upload(work_.data(), staged, budgets.size() * sizeof(FrameWork));
  }

  void charge(Net net) override {
    if (!rooms_ || charged_frames_ == 0 || bound_ == 0) return;
    const int i = static_cast<int>(net);
    if (charged_frames_ == 1) return runtime_.for_each(1, ChargeOnlyFrame{current(), work_.data(), i, box_costs_[i]});
    runtime_.for_each(bound_, CountWork{current(), work_.data(), i});
    runtime_.for_each(charged_frames_, ChargeWork{work_.data(), i, box_costs_[i]});
    filter([&](uint32_t* bits) { runtime_.for_each(bound_, MarkAffordable{current(), work_.data(), bits}); });
  }

  std::span<const FrameWork> work() const override { return {host_work_.data(), static_cast<size_t>(charged_frames_)}; }

  // Replaces the set by these boxes, while running ahead, for work that is the same for any of their number.
  void assign_ahead(std::span<const Box> boxes) {
    const int room = std::max(static_cast<int>(boxes.size()), (*rooms_)[static_cast<int>(Next::kRnet)]);
    if (room > capacity_) reserve(room);
    assign(boxes);
    bound_ = room;
  }

  // Enqueues the copies that fetch() waits for: all that the host asks of the set.
  void enqueue_fetch() {
    host_boxes_.reserve(bound_);
    runtime_.download(host_counters_.data(), counters_.data(), kCounters * sizeof(int));
    runtime_.download(host_boxes_.data(), sets_[current_].data(), static_cast<size_t>(bound_) * sizeof(DeviceBox));
    runtime_.download(host_work_.data(), work_.data(), static_cast<size_t>(charged_frames_) * sizeof(FrameWork));
  }

  // The end of running ahead. Waits, and returns the numbers of boxes that came to each stage. Where they were more
  // than there was room for, the set is of no meaning.
  BoxCounts fetch() {
    runtime_.synchronize();
    rooms_ = nullptr;
    take_counts();
    fetched_ = true;
    BoxCounts needed;
    std::copy_n(host_counters_.data() + kNeeded, kNexts, needed.begin());
    return needed;
  }

  // Returns the boxes as they are; current() is then another set, empty, to put some of them into.
  DeviceBoxes begin_accepting() {
    const DeviceBoxes from = current();
    current_ = 1 - current_;
    runtime_.zero(current().count, sizeof(int));
    return from;
  }

  // What the host knows of the set. Work that is captured and replayed leaves it as it was after the capture.
  struct HostState {
    int bound, current;
  };
  HostState host_state() const { return {bound_, current_}; }
  void set_host_state(HostState state) {
    bound_ = state.bound;
    current_ = state.current;
    counted_ = fetched_ = false;
  }

  void nms(const SuppressionRule& rule, int keep) override {
    if (bound_ == 0) return;
    const uint32_t* kept = rank_and_suppress(rule, keep);
    runtime_.for_each(bound_, Compact{ranked(), kept, current()});
  }

  void nms_average(float threshold, float average_above) override {
    if (bound_ == 0) return;
    constexpr int kAll = std::numeric_limits<int>::max();
    const uint32_t* kept = rank_and_suppress({threshold, Overlap::kIoMin, Scope::kFrame}, kAll);
    saved_.reserve(capacity_);
    suppressor_.average(ranked().data, bound_, average_above, saved_.data());
    runtime_.for_each(bound_, Compact{{saved_.data(), ranked().count, capacity_}, kept, current()});
  }

  void regress() override {
    filter([this](uint32_t* bits) { runtime_.for_each(bound_, Regress{current(), bits}); });
  }

  void square(bool truncating) override { runtime_.for_each(bound_, Square{current(), truncating, {}}); }

  void truncate_and_clip() override { runtime_.for_each(bound_, TruncateAndClip{current(), frame_sizes_}); }

  void save_and_keep_between(float low, float high) override {
    const typename Runtime::Current current_device(runtime_);
    save();
    begin_accepting();
    runtime_.for_each(bound_, KeepBetween{saved_.data(), counter(kSaved), low, high, current()});
  }

  void average_outputs_with_saved() override {
    runtime_.for_each(bound_, AverageOutputsIntoSaved{current(), saved_.data()});
    bring_saved_back();
  }

  void save_and_square(bool truncating, std::span<const float> scales) override {
    const typename Runtime::Current current_device(runtime_);
    if (scales.size() > static_cast<size_t>(kMostCapacity) / std::max(bound_, 1)) throw std::bad_alloc();
    save();
    squares_ = static_cast<int>(scales.size());
    if (const int n = saved_bound_ * squares_; n > capacity_) reserve(n);
    Scales each;
    each.count = squares_;
    std::copy(scales.begin(), scales.end(), each.values);
    bound_ = saved_bound_ * squares_;
    runtime_.for_each(bound_, CopyForSquares{saved_.data(), counter(kSaved), squares_, current()});
    runtime_.for_each(bound_, Square{current(), truncating, each});
  }

  void average_with_saved(bool scores, int landmark_square) override {
    const size_t squares = static_cast<size_t>(saved_bound_) * squares_;
    by_order_.reserve(squares);
    runtime_.zero(by_order_.data(), squares * sizeof(int));
    runtime_.for_each(bound_, IndexByOrder{current(), by_order_.data()});
    runtime_.for_each(saved_bound_, AverageIntoSaved{current().data, by_order_.data(), squares_, scores,
                                                     landmark_square, saved_.data(), counter(kSaved)});
    bring_saved_back();
  }

  void vote(float vote) override { runtime_.for_each(bound_, Vote{current(), vote}); }

  void drop_below(float score) override {
    filter([&](uint32_t* bits) { runtime_.for_each(bound_, ReachesScore{current(), score, bits}); });
  }

  void assign(std::span<const Box> boxes) override {
    check_number("got ", boxes.size(), "give fewer");
    const int n = static_cast<int>(boxes.size());
    if (n > capacity_) reserve(n);
    clear();
    auto* const staged = reinterpret_cast<DeviceBox*>(staging_.take(boxes.size() * sizeof(DeviceBox)));
    for (int i = 0; i < n; ++i) new (staged + i) DeviceBox{boxes[i], {}};
    runtime_.upload(sets_[current_].data(), staged, boxes.size() * sizeof(DeviceBox));
    auto* const count = new (staging_.take(sizeof(int))) int(n);
    runtime_.upload(counter(current_counter()), count, sizeof(int));
    bound_ = n;
    counted_ = false;
  }

  int count() override {
    if (counted_) return bound_;
    const typename Runtime::Current current_device(runtime_);
    runtime_.download(host_counters_.data(), counters_.data(), kCounters * sizeof(int));
    runtime_.synchronize();
    take_counts();
    return bound_;
  }

  void read(float* dets, float* landmarks, int* frames) override {
    const typename Runtime::Current current_device(runtime_);
    const int n = count();
    if (!fetched_) {
      host_boxes_.reserve(n);
      runtime_.download(host_boxes_.data(), sets_[current_].data(), n * sizeof(DeviceBox));
      runtime_.synchronize();
    }
    DeviceBox* boxes = host_boxes_.data();
    std::sort(boxes, boxes + n, ranks_before);
    for (int i = 0; i < n; ++i) {
      boxes[i].write(dets + 5 * i);
      if (landmarks) std::copy(boxes[i].landmarks, boxes[i].landmarks + kLandmarks, landmarks + kLandmarks * i);
      frames[i] = boxes[i].frame;
    }
  }

 private:
  enum Counter { kCountA, kCountB, kRanked, kProposed, kSaved, kNeeded, kCounters = kNeeded + kNexts };
  static constexpr int kFirstCapacity = 8192;
  static constexpr int kFirstFaces = 1024;
  // Reckoned, not measured: where a third of them are kept, 1.4e12 comparisons, seconds of a large GPU.
  static constexpr int kMostBoxes = 1 << 21;
  static constexpr int kMostCapacity = std::numeric_limits<int>::max();

  void check_number(const char* got, size_t boxes, const char* mend) {
    if (boxes <= size_t{kMostBoxes}) return;
    discard();
    throw std::invalid_argument(got + std::to_string(boxes) +
                                " boxes, each of which is compared with those kept: a GPU takes " +
                                std::to_string(kMostBoxes) + " at most; " + mend);
  }

  int* counter(Counter which) { return counters_.data() + which; }
  Counter current_counter() const { return current_ == 0 ? kCountA : kCountB; }

  void forget() noexcept {
    bound_ = 0;
    fetched_ = false;
    counted_ = true;  // though the device's counters are as they were: no kernel starts for no boxes
  }

  // Of host_counters_, which hold the device's.
  void take_counts() {
    proposed_ = host_counters_.data()[kProposed];
    bound_ = std::min(host_counters_.data()[current_counter()], capacity_);
    counted_ = true;
  }

  void save() {
    saved_.reserve(capacity_);
    saved_bound_ = bound_;
    runtime_.copy(saved_.data(), current().data, static_cast<size_t>(bound_) * sizeof(DeviceBox));
    runtime_.copy(counter(kSaved), current().count, sizeof(int));
  }

  void bring_saved_back() {
    bound_ = saved_bound_;
    runtime_.copy(current().data, saved_.data(), static_cast<size_t>(bound_) * sizeof(DeviceBox));
    runtime_.copy(current().count, counter(kSaved), sizeof(int));
  }

  // All boxes by rank, in the other set.
  DeviceBoxes ranked() { return {sets_[1 - current_].data(), counter(kRanked), capacity_}; }

  size_t words() const { return words(static_cast<size_t>(capacity_)); }
  static size_t words(size_t capacity) { return capacity / 32 + 1; }

  // Room for n boxes in all that is there for each box, or, where there is no memory for it, none more in any.
  void reserve(int n) {
    const size_t capacity = std::max<size_t>(n, std::min<size_t>(size_t{2} * capacity_, kMostCapacity));
    auto first = sets_[0].larger(capacity), second = sets_[1].larger(capacity);
    marks_.reserve(words(capacity));
    sets_[0] = std::move(first);
    sets_[1] = std::move(second);
    capacity_ = static_cast<int>(capacity);
  }

  // Fills ranked() and returns a bit for each of them, set for those kept.
  const uint32_t* rank_and_suppress(const SuppressionRule& rule, int keep) {
    return suppressor_.run(current(), bound_, frame_count_, rule, keep, ranked().data, ranked().count);
  }

  // Keeps the boxes that `mark` sets a bit for.
  template <typename Mark>
  void filter(Mark mark) {
    if (bound_ == 0) return;
    runtime_.zero(marks_.data(), words() * sizeof(uint32_t));
    mark(marks_.data());
    const DeviceBoxes from = current();
    current_ = 1 - current_;
    runtime_.for_each(bound_, Compact{from, marks_.data(), current()});
  }

  Runtime& runtime_;
  Staging<Runtime>& staging_;
  Buffer<Runtime, DeviceBox> sets_[2] = {Buffer<Runtime, DeviceBox>(runtime_), Buffer<Runtime, DeviceBox>(runtime_)};
  Buffer<Runtime, DeviceBox> saved_{runtime_};
  int current_ = 0;
  int capacity_ = 0;
  int bound_ = 0;
  bool counted_ = false;                // bound_ is the number of boxes
  bool fetched_ = false;                // and host_boxes_ holds them
  std::array<bool, kNexts> limited_{};  // by left(), since run_ahead()
  const BoxCounts* rooms_ = nullptr;    // while running ahead
  int saved_bound_ = 0;
  int squares_ = 0;  // of each saved box
  const Size* frame_sizes_ = nullptr;
  int frame_count_ = 0;
  int proposed_ = 0;        // boxes that P-Net proposed, with room or without
  int charged_frames_ = 0;  // those with a budget
  std::array<int64_t, kNetworks> box_costs_{};
  Buffer<Runtime, int> counters_{runtime_};
  Buffer<Runtime, uint32_t> marks_{runtime_};  // bits, words() of them
  Buffer<Runtime, int> by_order_{runtime_};
  Buffer<Runtime, FrameWork> work_{runtime_};  // of each frame with a budget
  Suppressor<Runtime> suppressor_{runtime_};
  Buffer<Runtime, int, true> host_counters_{runtime_};
  Buffer<Runtime, DeviceBox, true> host_boxes_{runtime_};
  Buffer<Runtime, FrameWork, true> host_work_{runtime_};
};

}  // namespace trtmtcnn::cuda
