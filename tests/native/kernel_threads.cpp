// Kernels whose threads meet in memory, with a thread of the CPU for each thread of the GPU, in random order, for
// ThreadSanitizer: any data race, and any result other than the plain one, fails. See `make tsan`.
#include <algorithm>
#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "cuda/kernels/box_set.h"
#include "cuda/kernels/nms.h"
#include "cuda/kernels/pnet.h"
#include "cuda/kernels/pnet_fp16.h"
#include "cuda/kernels/propose.h"
#include "cuda/kernels/rank.h"

using namespace trtmtcnn;
using namespace trtmtcnn::cuda;

namespace {

std::mt19937 random_numbers;

int any(int n) { return static_cast<int>(random_numbers() % static_cast<unsigned>(n)); }

void run(std::vector<std::thread>& threads) {
  for (std::thread& thread : threads) thread.join();
}

std::vector<int> shuffled(int n) {
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random_numbers);
  return order;
}

template <typename Kernel>
void for_each(int n, const Kernel& kernel) {
  std::vector<std::thread> threads;
  for (const int i : shuffled(n)) threads.emplace_back([&kernel, i] { kernel(i); });
  run(threads);
}

// A warp whose lanes are threads.
class ThreadWarp {
 public:
  struct Shared {
    std::barrier<> barrier{kWarp};
    uint32_t bits[2] = {};
    std::vector<uint32_t> tiles[kWarp];
  };
  template <typename T>
  struct PerLane {
    T value;
    T& operator[](int) { return value; }
  };
  ThreadWarp(Shared& shared, int lane) : shared_(shared), lane_(lane) {}

  template <typename Holds>
  uint32_t ballot(const Holds& holds) const {
    uint32_t& bits = shared_.bits[turn_];
    turn_ = 1 - turn_;
    if (lane_ == 0) shared_.bits[turn_] = 0;  // for the next ballot, whom no lane has reached
    shared_.barrier.arrive_and_wait();
    if (holds(lane_)) __atomic_fetch_or(&bits, 1u << lane_, __ATOMIC_RELAXED);
    shared_.barrier.arrive_and_wait();
    return __atomic_load_n(&bits, __ATOMIC_RELAXED);
  }
  template <typename Work>
  void each(const Work& work) const {
    work(lane_);
  }
  // Each lane shows the others its tiles, and takes of the product what is its own.
  template <int kTiles, int kColumns>
  void multiply(const TileInputs<kTiles>& in, const TileWeights<kColumns>& by, TileSums<kTiles, kColumns>& sums) const {
    constexpr size_t kIn = sizeof(in) / sizeof(uint32_t), kBy = sizeof(by) / sizeof(uint32_t);
    std::vector<uint32_t>& own = shared_.tiles[lane_];
    own.resize(kIn + kBy);
    std::memcpy(own.data(), &in, sizeof(in));
    std::memcpy(own.data() + kIn, &by, sizeof(by));
    shared_.barrier.arrive_and_wait();
    LoopWarp::PerLane<TileInputs<kTiles>> all_in;
    LoopWarp::PerLane<TileWeights<kColumns>> all_by;
    LoopWarp::PerLane<TileSums<kTiles, kColumns>> all_sums{};
    for (int lane = 0; lane < kWarp; ++lane) {
      std::memcpy(&all_in[lane], shared_.tiles[lane].data(), sizeof(in));
      std::memcpy(&all_by[lane], shared_.tiles[lane].data() + kIn, sizeof(by));
    }
    all_sums[lane_] = sums;
    multiply_tiles(LoopWarp(), all_in, all_by, all_sums);
    sums = all_sums[lane_];
    shared_.barrier.arrive_and_wait();
  }
  template <typename Work>
  void once(const Work& work) const {
    shared_.barrier.arrive_and_wait();
    if (lane_ == 0) work();
    shared_.barrier.arrive_and_wait();
  }

 private:
  Shared& shared_;
  int lane_;
  mutable int turn_ = 0;
};

template <int kTiles, int kColumns>
void multiply_tiles(const ThreadWarp& warp, const ThreadWarp::PerLane<TileInputs<kTiles>>& in,
                    const ThreadWarp::PerLane<TileWeights<kColumns>>& by,
                    ThreadWarp::PerLane<TileSums<kTiles, kColumns>>& sums) {
  warp.multiply(in.value, by.value, sums.value);
}

template <typename Kernel>
void for_each_warp(int n, const Kernel& kernel) {
  std::vector<ThreadWarp::Shared> shared(n);
  std::vector<std::thread> threads;
  for (const int t : shuffled(n * kWarp))
    threads.emplace_back([&kernel, &shared, t] { kernel(ThreadWarp(shared[t / kWarp], t % kWarp), t / kWarp); });
  run(threads);
}

struct Case {
  int count, frames, keep, round;
  SuppressionRule rule;
};

std::vector<DeviceBox> boxes(const Case& c) {
  std::vector<DeviceBox> boxes(c.count);
  for (int i = 0; i < c.count; ++i) {
    DeviceBox& b = boxes[i];
    const int face = any(4);
    b.x1 = static_cast<float>(100 * face + any(30)), b.y1 = static_cast<float>(any(30));
    b.x2 = b.x1 + static_cast<float>(40 + any(20)), b.y2 = b.y1 + static_cast<float>(40 + any(20));
    b.score = static_cast<float>(any(20)) / 20, b.frame = any(c.frames), b.level = any(3), b.order = i;
  }
  return boxes;
}

std::vector<int> plainly(const Case& c, std::vector<DeviceBox> boxes) {
  std::sort(boxes.begin(), boxes.end(), ranks_before);
  std::vector<int> kept_orders, kept, in_frame(c.frames);
  for (int i = 0; i < c.count; ++i) {
    const bool gone = std::any_of(kept.begin(), kept.end(), [&](int j) {
      return boxes[j].frame == boxes[i].frame && c.rule.suppresses(boxes[j], boxes[i]);
    });
    if (gone || in_frame[boxes[i].frame] == c.keep) continue;
    ++in_frame[boxes[i].frame];
    kept.push_back(i);
    kept_orders.push_back(boxes[i].order);
  }
  return kept_orders;
}

// As cuda/suppressor.h does it.
bool suppress(const Case& c) {
  std::vector<DeviceBox> from = boxes(c), to(c.count), left(c.count);
  const std::vector<int> expected = plainly(c, from);
  const int n = c.count, capacity = n + any(40);
  int count = n, ranked_count = 0, left_count = -1;
  from.resize(capacity), to.resize(capacity), left.resize(capacity);
  std::vector<RankKey> keys[2] = {std::vector<RankKey>(capacity), std::vector<RankKey>(capacity)};
  std::vector<int> indices[2] = {std::vector<int>(capacity), std::vector<int>(capacity)};
  const DeviceBoxes set{from.data(), &count, capacity};
  for_each(capacity, MakeKeys{set, keys[0].data()});
  for_each(capacity, SortRuns{set, keys[0].data(), {keys[1].data(), indices[1].data()}});

  std::vector<Corners> corners(capacity);
  std::vector<int> frames(capacity), levels(capacity), starts(c.frames + 1), kept_counts(c.frames);
  const int words = capacity / 32 + 1, round_words = c.round / 32;
  std::vector<uint32_t> kept(words, ~0u), suppressed(words, ~0u), kept_in_frame(words + c.frames);
  std::vector<uint32_t> masks(static_cast<size_t>(round_words) * capacity);
  const Ranked ranked{corners.data(), frames.data(), levels.data(), &ranked_count, starts.data()};
  for_each(capacity, GatherRanked{set,
                                  {keys[1].data(), indices[1].data()},
                                  c.frames,
                                  to.data(),
                                  &ranked_count,
                                  ranked,
                                  kept.data(),
                                  suppressed.data()});
  Suppression s{ranked, c.rule, {0, c.round}, kept_in_frame.data(), suppressed.data(), masks.data(), capacity};
  for (; s.round.first < capacity; s.round.first += c.round) {
    if (s.round.first > 0) for_each(capacity - s.round.first, SuppressByKept{s});
    for_each(150, SuppressionMask{s, round_words, 150});
    for_each_warp(c.frames, KeepGreedily{s, c.keep, kept_counts.data(), kept.data()});
  }
  for_each(capacity, Compact{{to.data(), &ranked_count, capacity}, kept.data(), {left.data(), &left_count, capacity}});
  bool right = left_count == static_cast<int>(expected.size());
  for (int i = 0; right && i < left_count; ++i) right = left[i].order == expected[i];
  return right;
}

// What is added by slots, and marked by bits.
bool add_and_mark() {
  const int cells = 20 + any(150);
  std::vector<float> prob(2 * cells), regression(4 * cells);
  int faces = 0, zero = 0, count = 0;
  for (int i = 0; i < cells; ++i) faces += (prob[cells + i] = static_cast<float>(any(10)) / 10) >= 0.5f ? 1 : 0;
  const Level level{0, {12, grid_pixels(cells)}, 1, 1};
  const PlacedTile tile{{0, 0, 0, cells, 1, 0, 0}, 0};
  std::vector<DeviceBox> found(cells);
  for_each(cells, Propose{&level,
                          &tile,
                          &zero,
                          1,
                          GridOutputs{prob.data(), regression.data(), 1, cells},
                          0.5f,
                          {found.data(), &count, cells}});
  std::vector<uint32_t> bits(cells / 32 + 1);
  for_each(cells, ReachesScore{{found.data(), &count, cells}, 0.7f, bits.data()});
  int marked = 0, high = 0;
  for (const uint32_t word : bits) marked += popcount(word);
  for (int i = 0; i < cells; ++i) high += prob[cells + i] >= 0.7f ? 1 : 0;
  return count == faces && marked == high;
}

std::vector<float> random(size_t n, float scale) {
  std::vector<float> values(n);
  for (float& v : values) v = scale * (static_cast<float>(any(2001)) / 1000 - 1);
  return values;
}

// Whether threads add the boxes that one adds which does the work of all. make: the kernel that adds to a set.
template <typename Make, typename Alone, typename Threads>
bool adds_the_same(int most, const Make& make, const Alone& alone, const Threads& threads) {
  std::vector<DeviceBox> found(most), expected(most);
  int count = 0, expected_count = 0;
  alone(make(DeviceBoxes{expected.data(), &expected_count, most}));
  threads(make(DeviceBoxes{found.data(), &count, most}));
  const auto by_order = [](const Box& a, const Box& b) { return a.order < b.order; };
  std::sort(found.begin(), found.begin() + count, by_order);
  std::sort(expected.begin(), expected.begin() + expected_count, by_order);
  bool right = count == expected_count;
  for (int i = 0; right && i < count; ++i)
    right = found[i].order == expected[i].order && found[i].score == expected[i].score;
  return right;
}

// The same by P-Net's last layer, whose threads see two cells each.
bool add_from_features() {
  const int width = 2 * (3 + any(20)) + 10, height = 2 * (2 + any(6)) + 10, zero = 0;
  const PnetTile tile{0, 0, height, width, 0};
  const auto map = random(static_cast<size_t>(kPnetMap) * tile.map_height() * tile.map_width(), 1);
  const auto weights = random(kPnetMap * 9 * kPnetFeatures, 0.3f), bias = random(kPnetFeatures, 1);
  const auto slope = random(kPnetFeatures, 0.5f), heads = random(kHeads * kPnetFeatures, 0.5f),
             head_bias = random(kHeads, 1);
  const PnetTiles tiles{&tile, &zero, &zero, &zero, &zero, 1, 0, 0, 0, 0, 0};
  const Level level{0, {height, width}, 1, 1};
  const int cells = tile.cell_rows() * tile.cell_columns();
  const int threads = (tile.cell_rows() + kPnetCellRows - 1) / kPnetCellRows * tile.cell_columns();
  return adds_the_same(
      cells,
      [&](const DeviceBoxes& boxes) {
        return PnetPropose{tiles,
                           map.data(),
                           {weights.data(), bias.data(), slope.data()},
                           {{heads.data(), head_bias.data(), nullptr}},
                           &level,
                           0.5f,
                           boxes};
      },
      [&](const PnetPropose& kernel) {
        for (int i = 0; i < threads; ++i) kernel(i);
      },
      [&](const PnetPropose& kernel) { for_each(threads, kernel); });
}

// The same in sums of two float16, of which the second halves need not be small here, by warps.
bool add_from_tiles() {
  const int width = 2 * (1 + any(9)) + 10, height = 2 * (1 + any(4)) + 10, zero = 0;
  const PnetTile tile{0, 0, height, width, 0};
  const auto halves = [&](size_t n, float scale) {
    std::vector<Half> values;
    for (const float v : random(n, scale)) values.push_back(to_half(v));
    return values;
  };
  const int cells = tile.cell_rows() * tile.cell_columns();
  const auto map = halves(2 * static_cast<size_t>(kPnetMap) * tile.map_height() * tile.map_width(), 1);
  const auto weights = halves(2 * tile_weights(kPnetMap, 3, kPnetFeatures), 0.3f),
             heads = halves(2 * 2 * kPnetHeadTiles * kColumnHalves, 0.5f);
  const auto bias = random(kPnetFeatures, 1), slope = random(kPnetFeatures, 0.5f);
  const auto head_bias = random(2 * kPnetHeadTiles, 1);
  const PnetTiles tiles{&tile, &zero, &zero, &zero, &zero, 1, 0, 0, tile.map_height() * tile.map_width(), 0, cells};
  const Level level{0, {height, width}, 1, 1};
  const int warps = (cells + kPnetWarpCells - 1) / kPnetWarpCells;
  return adds_the_same(
      cells,
      [&](const DeviceBoxes& boxes) {
        return PnetProposeFp16{tiles,
                               reinterpret_cast<const TwoHalves*>(map.data()),
                               {weights.data(), bias.data(), slope.data()},
                               {heads.data(), head_bias.data(), nullptr},
                               &level,
                               0.5f,
                               boxes};
      },
      [&](const PnetProposeFp16& kernel) {
        for (int i = 0; i < warps; ++i) kernel(LoopWarp(any(kWarp)), i);
      },
      [&](const PnetProposeFp16& kernel) { for_each_warp(warps, kernel); });
}

// The boxes of each frame, which threads count at once, and those of the frames that can afford theirs.
bool count_work(const Case& c) {
  std::vector<DeviceBox> boxes(c.count);
  std::vector<int64_t> numbers(c.frames);
  for (DeviceBox& box : boxes) ++numbers[box.frame = any(c.frames)];
  std::vector<FrameWork> work(c.frames);
  for (FrameWork& frame : work) frame.left = any(100);
  const std::vector<FrameWork> before = work;
  int count = c.count;
  const DeviceBoxes set{boxes.data(), &count, c.count};
  for_each(c.count, CountWork{set, work.data(), 1});
  for_each(c.frames, ChargeWork{work.data(), 1, 2});
  std::vector<uint32_t> bits(c.count / 32 + 1);
  for_each(c.count, MarkAffordable{set, work.data(), bits.data()});
  bool right = true;
  for (int i = 0; i < c.frames; ++i)
    right = right && work[i].boxes[1] == numbers[i] && work[i].left == before[i].left - 2 * numbers[i];
  for (int i = 0; i < c.count; ++i) right = right && bit(bits.data(), i) == (work[boxes[i].frame].left >= 0);
  return right;
}

// The boxes whose score lies between, which threads add at once, and what is averaged into those that they are.
bool average_some(const Case& c) {
  std::vector<DeviceBox> saved(c.count), kept(c.count);
  for (DeviceBox& box : saved) box.score = static_cast<float>(any(10)) / 8;
  const std::vector<DeviceBox> before = saved;
  int all = c.count, count = 0;
  const DeviceBoxes set{kept.data(), &count, c.count};
  for_each(c.count, KeepBetween{saved.data(), &all, 0.25f, 0.75f, set});
  const int added = count;
  for (int i = 0; i < added; ++i) kept[i].score = kept[i].regression[0] = kept[i].landmarks[0] = 1;
  for_each(c.count, AverageOutputsIntoSaved{set, saved.data()});
  int between = 0;
  bool right = true;
  for (int i = 0; i < c.count; ++i) {
    const float score = before[i].score;
    const bool is_between = score >= 0.25f && score <= 0.75f;
    between += is_between;
    right = right && saved[i].score == (is_between ? (score + 1) / 2 : score);
    right =
        right && saved[i].regression[0] == (is_between ? 0.5f : 0) && saved[i].landmarks[0] == saved[i].regression[0];
  }
  return right && added == between;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20;
  int wrong = 0;
  for (int r = 0; r < rounds; ++r) {
    random_numbers.seed(static_cast<unsigned>(r));
    const Case c{any(200),
                 1 + any(3),
                 any(2) ? 1 << 30 : any(6),
                 any(2) ? 32 : 256,
                 {0.5f, any(2) ? Overlap::kIoU : Overlap::kIoMin, any(2) ? Scope::kLevel : Scope::kFrame}};
    if (suppress(c) && add_and_mark() && add_from_features() && add_from_tiles() && count_work(c) && average_some(c))
      continue;
    ++wrong;
    std::printf("round %d: %d boxes of %d frames: wrong\n", r, c.count, c.frames);
  }
  std::printf("kernels with a thread an index: %d rounds, %d wrong\n", rounds, wrong);
  return wrong ? 1 : 0;
}
