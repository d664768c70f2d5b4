"""What sorting and suppressing boxes takes on a GPU, reckoned for the kernels of today and for those before them.

    python -m benchmarks.gpu.suppression

Nothing is measured: cycles are counted along the longest thread, from how many loads it makes and which of them must
wait for another. A load takes L1 cycles at best and L2 at worst, hence two figures. The kernels before sorted by
counting over all boxes (two dependent loads a comparison) and let each box wait for better ones that overlap it.
"""

from __future__ import annotations

from math import ceil, log2

GHZ = 1.755  # of an H200
L1, L2 = 35, 270  # cycles until a load is there
AHEAD = 4  # independent loads under way at once, as nvcc unrolls loops
STEP = 8  # cycles of arithmetic a comparison of keys
OVERLAP = 25  # and of two boxes
FENCE = 800  # cycles of a full fence
CHAIN = 12  # boxes that wait for each other in a row, where faces are crowded
NODE_US = 1.2  # a kernel in a graph, see trace.py
RUN, MERGED = 1024, 8  # csrc/cuda/kernels/rank.h
CASES = ((1, 1364), (1, 565), (1, 77), (8, 1364), (8, 565), (1, 100_000))  # frames, boxes a frame


def us(cycles: float, kernels: int) -> float:
    return cycles / GHZ / 1000 + NODE_US * kernels


def before(frames: int, boxes: int, load: int) -> float:
    """Rank, Suppress, Cap: microseconds."""
    n = frames * boxes
    waves = max(1, n / (132 * 2048))  # threads that an H200 holds at once
    rank = n * (2 * load + STEP)
    suppress = log2(n + 1) * load + boxes / 2 * (load + OVERLAP) + CHAIN * 3 * FENCE
    return us((rank + suppress) * waves, 3)


def now(frames: int, boxes: int, load: int) -> float:
    """MakeKeys, SortRuns, MergeRuns, GatherRanked, and for each round SuppressionMask and KeepGreedily."""
    n = frames * boxes
    waves = max(1, n / (132 * 2048))
    merges = max(0, ceil(log2(n / RUN) / log2(MERGED))) if n > RUN else 0
    sort = min(n, RUN) * max(STEP, load / AHEAD) + merges * (log2(RUN) + 2) * load * 1.5
    rounds = ceil(boxes / 8192)
    in_round = min(boxes, 8192)
    words = ceil(in_round / 32)
    mask = max(1, n * words / 2 / (132 * 2048)) * 32 * OVERLAP * 2
    keep = words * (2 * load + 32 * 6 + words / 2 * max(STEP, load / AHEAD) / 2)
    earlier = boxes / 3 * (rounds - 1) / 2 * OVERLAP  # a third is kept
    return us(sort * waves + (mask + keep) * rounds + earlier * waves / max(1, rounds), 3 + merges + 2 * rounds)


def main() -> None:
    print("| frames | boxes a frame | before, reckoned | now, reckoned |")
    print("|---|---|---|---|")
    for frames, boxes in CASES:
        cells = [[function(frames, boxes, load) for load in (L1, L2)] for function in (before, now)]
        old, new = (" to ".join(f"{value:,.0f}" for value in pair) for pair in cells)
        print(f"| {frames} | {boxes:,} | {old} µs | {new} µs |")


if __name__ == "__main__":
    main()
