// Ranks a set of boxes and suppresses: the launches, and the memory between them.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cuda/buffer.h"
#include "cuda/kernels/nms.h"
#include "cuda/kernels/rank.h"

namespace trtmtcnn::cuda {

template <typename Runtime>
class Suppressor {
 public:
  explicit Suppressor(Runtime& runtime) : runtime_(runtime) {}

  // Puts the boxes of `from`, of `frames` frames and `bound` at most, into `to` in their order and `count` becomes
  // their number. Returns a bit for each, set for the first `keep` of each frame that no better one kept suppresses.
  const uint32_t* run(const DeviceBoxes& from, int bound, int frames, const SuppressionRule& rule, int keep,
                      DeviceBox* to, int* count) {
    reserve(bound, frames);
    const Ranked ranked{corners_.data(), frames_.data(), levels_.data(), count, starts_.data()};
    runtime_.for_each(
        bound, GatherRanked{from, rank(from, bound), frames, to, count, ranked, kept_.data(), suppressed_.data()});
    suppression_ = {ranked,        rule, {0, round_boxes(bound)}, kept_in_frame_.data(), suppressed_.data(),
                    masks_.data(), bound};
    const int words = mask_words(bound), threads = std::min(kMaskThreads, bound * words);
    for (Round& round = suppression_.round; round.first < bound; round.first += round.boxes) {
      if (round.first > 0) runtime_.for_each(bound - round.first, SuppressByKept{suppression_});
      runtime_.for_each(threads, SuppressionMask{suppression_, words, threads});
      runtime_.for_each_warp(frames, KeepGreedily{suppression_, keep, kept_counts_.data(), kept_.data()});
    }
    return kept_.data();
  }

  // After run() without a limit: writes the boxes, each kept one as the mean of itself and of those it suppressed with
  // an intersection over union above `above`.
  void average(const DeviceBox* boxes, int bound, float above, DeviceBox* to) {
    suppressors_.reserve(bound);
    runtime_.for_each(bound, FindSuppressors{suppression_, kept_.data(), suppressors_.data()});
    runtime_.for_each(bound, AverageKept{boxes, suppression_.ranked, suppressors_.data(), above, to});
  }

 private:
  static constexpr int kMaskThreads = 1 << 17;  // more than a GPU runs at once
  static constexpr int kMostRound = 8192, kLeastRound = 1024;
  static constexpr int kMaskMemory = 1 << 24;  // words, up to the least round

  // One round for as many boxes as there commonly may be; for more, as many as the memory for masks allows.
  static int round_boxes(int bound) {
    int boxes = kMostRound;
    while (boxes > kLeastRound && int64_t{bound} * (boxes / 32) > kMaskMemory) boxes /= 2;
    return boxes;
  }
  static int mask_words(int bound) { return std::min(round_boxes(bound), bound + 31) / 32; }

  void reserve(int bound, int frames) {
    const size_t n = bound, words = n / 32 + 1;
    for (int i = 0; i < 2; ++i) {
      keys_[i].reserve(n);
      boxes_[i].reserve(n);
    }
    corners_.reserve(n);
    frames_.reserve(n);
    levels_.reserve(n);
    starts_.reserve(static_cast<size_t>(frames) + 1);
    kept_counts_.reserve(frames);
    kept_.reserve(words);
    suppressed_.reserve(words);
    kept_in_frame_.reserve(words + frames);
    masks_.reserve(n * mask_words(bound));
  }

  Ranks ranks(int i) { return {keys_[i].data(), boxes_[i].data()}; }

  Ranks rank(const DeviceBoxes& from, int bound) {
    runtime_.for_each(bound, MakeKeys{from, keys_[0].data()});
    runtime_.for_each(bound, SortRuns{from, keys_[0].data(), ranks(1)});
    int sorted = 1;
    for (int64_t run = kRun; run < bound; run *= kMerged) {
      runtime_.for_each(bound, MergeRuns{from, static_cast<int>(run), ranks(sorted), ranks(1 - sorted)});
      sorted = 1 - sorted;
    }
    return ranks(sorted);
  }

  Runtime& runtime_;
  Suppression suppression_{};
  Buffer<Runtime, RankKey> keys_[2] = {Buffer<Runtime, RankKey>(runtime_), Buffer<Runtime, RankKey>(runtime_)};
  Buffer<Runtime, int> boxes_[2] = {Buffer<Runtime, int>(runtime_), Buffer<Runtime, int>(runtime_)};
  Buffer<Runtime, Corners> corners_{runtime_};
  Buffer<Runtime, int> frames_{runtime_}, levels_{runtime_}, starts_{runtime_}, kept_counts_{runtime_};
  Buffer<Runtime, int> suppressors_{runtime_};
  Buffer<Runtime, uint32_t> kept_{runtime_}, suppressed_{runtime_}, kept_in_frame_{runtime_}, masks_{runtime_};
};

}  // namespace trtmtcnn::cuda
