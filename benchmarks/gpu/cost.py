"""What each kernel of a detection costs a GPU: counts of bytes, operations and steps, and microseconds from them.

A kernel's time is reckoned as the most of what it needs of memory, of its multiprocessors' issue slots, of their L1
caches, and of one thread's patience: instructions and loads that must follow one another, times the rounds that all
threads take. That last is what small kernels are bound by. Nothing is measured here; benchmarks/gpu/kernels.py sets the
same figures beside what a GPU takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2
from typing import NamedTuple

WARP = 32
L1_LOAD, L2_LOAD = 35, 270  # cycles until a value is there
FENCE = 600  # an atomic whose result is waited for
AHEAD = 4  # loads under way at once, as nvcc unrolls loops
OVERLAP = 25  # instructions to compare two boxes
RUN, MERGED = 1024, 8  # csrc/cuda/kernels/rank.h
ROUND = 8192  # boxes that csrc/cuda/suppressor.h decides on at once
MOST_THREADS, MOST_WARPS = 1 << 19, 1 << 13  # of a layer of crops, csrc/cuda/nets/crop_net.h
TENSOR_STEP = 33  # cycles from a product of tiles to the next that adds to the same sums


class Gpu(NamedTuple):
    """From datasheets. memory: bytes a second; lanes: float32 units of a multiprocessor."""

    multiprocessors: int
    ghz: float
    lanes: int
    memory: float
    warps: int = 64  # that a multiprocessor holds at most
    tensor: int = 512  # products of float16 a cycle of a multiprocessor's tensor cores, sums in float32


GPUS = {
    "h200": Gpu(132, 1.755, 128, 4.8e12, 64, 1024),  # by mma.sync, half of the datasheet's
    "a100": Gpu(108, 1.41, 64, 2.0e12, 64, 1024),
    "l4": Gpu(58, 2.04, 128, 0.3e12, 48, 512),
    "t4": Gpu(40, 1.59, 64, 0.32e12, 32, 512),
    "orin": Gpu(16, 1.3, 128, 0.2e12, 48, 512),
}
# Warps that a multiprocessor holds of a kernel, by its registers: as make cuda says of sm_90. Of others REST.
RESIDENT = {"PnetConv1": 16, "PnetConv2": 12, "PnetOutputs": 12, "PnetPropose": 12, "RnetConv1": 16, "RnetConv2": 16}
RESIDENT |= {"RnetConv3": 28, "RnetDense": 20, "RnetHeads": 24, "OnetConv1": 16, "OnetConv2": 16, "OnetConv3": 28}
RESIDENT |= {"OnetHeads": 24, "LnetConv1": 16, "LnetConv2": 16, "LnetConv3": 28, "LnetHeads": 24, "Halve": 36}
RESIDENT |= {"PnetConv1Fp16": 16, "PnetConv2Fp16": 28, "PnetProposeFp16": 16, "PnetOutputsFp16": 16}
RESIDENT |= {"RnetConv1Fp16": 16, "RnetConv2Fp16": 12, "RnetConv3Fp16": 12, "OnetConv1Fp16": 16, "OnetConv2Fp16": 12}
RESIDENT |= {"OnetConv3Fp16": 16, "OnetConv4Fp16": 20, "LnetConv1Fp16": 20, "LnetConv2Fp16": 12, "LnetConv3Fp16": 20}
REST = 32


@dataclass(frozen=True)
class Facts:
    """Of a call: what its stages see."""

    frames: int
    frame: tuple[int, int]  # height, width
    levels: Sequence[tuple[int, int]]  # of one frame's pyramid
    proposals: int  # of all frames; what follows, too
    rnet: int  # crops, mirror images included
    onet: int
    faces: int = 0
    lnet: int = 0

    def boxes(self, stage: int) -> int:
        """In the set at P-Net's, R-Net's and O-Net's suppression."""
        return (self.proposals, self.rnet, self.onet)[min(stage, 2)]


class Work(NamedTuple):
    """Of one launch. instructions, wavefronts, steps: of a thread, or of a warp that works as one."""

    threads: float  # at work
    bytes: float = 0  # that must come from memory or go there
    flop: float = 0
    instructions: float = 0  # of a thread
    wavefronts: float = 0  # of its warp's loads in the L1 cache
    cycles: float = 0  # that a thread waits for loads which must follow one another
    resident: int = REST  # warps on a multiprocessor
    products: float = 0  # of tensor cores; `flop` are then theirs

    def floor(self, gpu: Gpu) -> float:
        """Microseconds at the GPU's best rates."""
        peak = 2.0 * (gpu.tensor if self.products else gpu.lanes) * gpu.multiprocessors * gpu.ghz * 1e9
        return 1e6 * max(self.bytes / gpu.memory, self.flop / peak)

    def reckoned(self, gpu: Gpu) -> float:
        """Microseconds, the launch left out."""
        warps = max(1.0, self.threads / WARP)
        issue = warps * self.instructions / (gpu.multiprocessors * gpu.lanes / WARP)
        cache = max(warps * self.wavefronts, self.products / gpu.tensor) / gpu.multiprocessors
        rounds = max(1.0, warps / (gpu.multiprocessors * min(self.resident, gpu.warps)))
        one = (self.instructions + self.cycles) * rounds
        return max(1e6 * self.bytes / gpu.memory, max(issue, cache, one) / gpu.ghz / 1000)


class Convolution(NamedTuple):
    """As csrc/cuda/kernels/crop_net.h shares one out: a thread makes `outputs` channels of rows x columns pixels."""

    channels: int
    side: int
    kernel: int
    out: int
    rows: int
    outputs: int
    columns: int = 1
    towers: int = 1

    def thread(self) -> tuple[float, float, float]:
        """Instructions, wavefronts and cycles of a thread."""
        taps = self.kernel**2 * self.channels
        products = self.rows * self.columns * self.outputs * taps
        pixels = (self.rows + self.kernel - 1) * (self.columns + self.kernel - 1)
        groups = ceil(self.channels / 4)
        weights = taps * self.outputs / 4  # loads of 16 bytes that a warp's threads share
        return (
            products + pixels * groups + weights,
            4 * pixels * groups + weights,
            groups * self.kernel * L1_LOAD + L2_LOAD,
        )

    def work(self, views: float) -> Work:
        side = self.side - self.kernel + 1
        made = side * side // (self.columns if self.columns > 1 else 1) // (self.columns if self.columns > 1 else 1)
        flop = 2.0 * self.kernel**2 * self.channels * self.out * side * side * self.towers
        blocks = side // self.rows * (side // self.columns) * (self.out // self.outputs) * self.towers
        moved = 4.0 * self.towers * (ceil(self.channels / 4) * 4 * self.side**2 + self.out * made)
        return _shared(views * blocks, *self.thread())._replace(bytes=views * moved, flop=views * flop)


class Pooling(NamedTuple):
    channels: int
    side: int
    towers: int = 1

    def work(self, views: float) -> Work:
        side = (self.side - 2) // 2 + 1
        groups = self.towers * self.channels / 4
        moved = 16.0 * groups * (self.side**2 + side**2)
        return _shared(views * groups * side**2, 60, 40, L2_LOAD)._replace(bytes=views * moved)


class Dense(NamedTuple):
    """A thread makes four outputs of `crops` crops, of a part of the inputs; DenseSum adds the parts."""

    inputs: int
    outputs: int
    crops: int
    parts: int

    def work(self, views: float) -> Work:
        part = self.inputs / self.parts
        products = 4.0 * self.crops * part
        loads = part / 4 * self.crops + part
        # A turn of four inputs begins with loads that nothing hides where there are few threads.
        work = _shared(
            ceil(views / self.crops) * self.outputs / 4 * self.parts,
            products + loads,
            part / 4 * self.crops + 4 * part,
            part / 4 * L1_LOAD + L2_LOAD,
        )
        weights = 4.0 * self.inputs * self.outputs
        moved = weights + 4 * views * (self.inputs + self.parts * self.outputs)
        return work._replace(bytes=moved, flop=2.0 * views * self.inputs * self.outputs)


class DenseSum(NamedTuple):
    outputs: int
    parts: int

    def work(self, views: float) -> Work:
        work = _shared(views * self.outputs / 4, 8.0 * self.parts + 30, 4.0 * self.parts + 12, 2 * L2_LOAD)
        return work._replace(bytes=4 * views * self.outputs * (self.parts + 1))


class Heads(NamedTuple):
    inputs: int
    outputs: int

    def work(self, views: float) -> Work:
        cycles = self.inputs / AHEAD * L1_LOAD + L2_LOAD
        work = _shared(views * self.outputs, 3.0 * self.inputs, 2.0 * self.inputs, cycles)
        return work._replace(bytes=4 * views * self.inputs, flop=2.0 * views * self.inputs * self.outputs)


class Tiles(NamedTuple):
    """As csrc/cuda/kernels/crop_net_fp16.h shares a convolution out: a warp makes `groups` groups of 16 channels of 16
    `tiles` pixels, or of a quarter as many maxima. A dense layer's kernel is as large as its map."""

    channels: int
    side: int
    kernel: int
    out: int
    tiles: int
    groups: int
    pool: int = 1
    towers: int = 1
    parts: int = 1  # float16 that a value is the sum of

    def steps(self) -> int:
        pixels = self.kernel**2
        return ceil(pixels / 4) if self.channels <= 4 else ceil(self.channels / 16) * pixels

    def multiplied(self) -> int:
        """Products of tiles for one of values: of two sums of two, all but second times second."""
        return 3 if self.parts == 2 else 1

    def warp(self, prologue: float = 60) -> tuple[float, float, float]:
        """Instructions, wavefronts and cycles of a warp's threads; prologue: instructions to find the pixels."""
        loads = self.parts * (2 * self.tiles + 2 * self.groups)
        products = self.multiplied() * 2 * self.tiles * self.groups
        # Two instructions an address that is not a constant's distance from another; PReLU takes three a sum.
        epilogue = self.tiles * self.groups * 8 * 3 + self.parts * self.tiles * self.groups * 8
        # A lane's 8 bytes: 256 of a warp, two wavefronts where they lie side by side.
        wavefronts = self.steps() * 2 * loads + 4 * self.parts * self.tiles * self.groups
        ahead = 1 if self.channels <= 4 else self.kernel  # steps whose loads are under way at once
        cycles = self.steps() / ahead * L1_LOAD + self.steps() * self.multiplied() * TENSOR_STEP + L2_LOAD
        return self.steps() * (loads * 1.5 + products) + epilogue + prologue, wavefronts, cycles

    def work(self, views: float) -> Work:
        side = (self.side - self.kernel + 1) // self.pool
        rows = views * side * side
        warps = ceil(rows / (16 * self.tiles / self.pool**2)) * ceil(self.out / 16 / self.groups) * self.towers
        moved = 2.0 * self.towers * views * (_held(self.channels) * self.side**2 + _held(self.out) * side**2)
        moved = self.parts * (moved + 2.0 * self.towers * self.steps() * 16 * _held(self.out))
        flop = 2.0 * self.kernel**2 * self.channels * self.out * rows * self.pool**2 * self.towers
        products = warps * self.steps() * 2.0 * self.tiles * self.groups * self.multiplied() * 16 * 8 * 16
        instructions, wavefronts, cycles = self.warp()
        each = max(1.0, warps / MOST_WARPS)
        return Work(
            WARP * min(warps, MOST_WARPS), moved, flop, instructions * each, wavefronts * each, cycles * each,
            products=products,
        )  # fmt: skip


class HalfPooling(NamedTuple):
    channels: int
    side: int
    towers: int = 1
    parts: int = 1

    def work(self, views: float) -> Work:
        side = (self.side - 2) // 2 + 1
        fours = self.towers * _held(self.channels) / 4
        moved = 8.0 * self.parts * fours * (self.side**2 + side**2)
        instructions = 70 if self.parts == 1 else 220  # sums and maxima in float32
        return _shared(views * fours * side**2, instructions, 20 * self.parts, L2_LOAD)._replace(bytes=views * moved)


def _held(channels: int) -> int:
    """Channels of a map in float16."""
    return 4 if channels <= 4 else ceil(channels / 16) * 16


def _shared(items: float, instructions: float, wavefronts: float, cycles: float) -> Work:
    """Items that at most MOST_THREADS threads share out."""
    each = max(1.0, items / MOST_THREADS)
    return Work(min(items, MOST_THREADS), 0, 0, instructions * each, wavefronts * each, cycles * each)


# Each layer of the networks over crops, and which of Facts says how many crops there are.
LAYERS: dict[str, tuple[str, Convolution | Pooling | Dense | DenseSum | Heads | Tiles | HalfPooling]] = {
    "RnetConv1": ("rnet", Convolution(3, 24, 3, 28, 2, 28)),
    "RnetPool1": ("rnet", Pooling(28, 22)),
    "RnetConv2": ("rnet", Convolution(28, 11, 3, 48, 3, 16)),
    "RnetPool2": ("rnet", Pooling(48, 9)),
    "RnetConv3": ("rnet", Convolution(48, 4, 2, 64, 3, 8)),
    "RnetDense": ("rnet", Dense(576, 128, 8, 8)),
    "RnetDenseSum": ("rnet", DenseSum(128, 8)),
    "RnetHeads": ("rnet", Heads(128, 6)),
    "OnetConv1": ("onet", Convolution(3, 48, 3, 32, 2, 32)),
    "OnetPool1": ("onet", Pooling(32, 46)),
    "OnetConv2": ("onet", Convolution(32, 23, 3, 64, 3, 16)),
    "OnetPool2": ("onet", Pooling(64, 21)),
    "OnetConv3": ("onet", Convolution(64, 10, 3, 64, 2, 4, 2)),
    "OnetConv4": ("onet", Convolution(64, 4, 2, 128, 3, 4)),
    "OnetDense": ("onet", Dense(1152, 256, 4, 16)),
    "OnetDenseSum": ("onet", DenseSum(256, 16)),
    "OnetHeads": ("onet", Heads(256, 16)),
    "LnetConv1": ("lnet", Convolution(3, 24, 3, 28, 2, 28, 1, 5)),
    "LnetPool1": ("lnet", Pooling(28, 22, 5)),
    "LnetConv2": ("lnet", Convolution(28, 11, 3, 48, 3, 16, 1, 5)),
    "LnetPool2": ("lnet", Pooling(48, 9, 5)),
    "LnetConv3": ("lnet", Convolution(48, 4, 2, 64, 3, 8, 1, 5)),
    "LnetDense1": ("lnet", Dense(2880, 256, 4, 20)),
    "LnetDense1Sum": ("lnet", DenseSum(256, 20)),
    "LnetDense2": ("lnet", Dense(256, 320, 4, 4)),
    "LnetDense2Sum": ("lnet", DenseSum(320, 4)),
    "LnetHeads": ("lnet", Heads(320, 10)),
    "RnetConv1Fp16": ("rnet", Tiles(3, 24, 3, 28, 2, 2, parts=2)),
    "RnetPool1Fp16": ("rnet", HalfPooling(28, 22, parts=2)),
    "RnetConv2Fp16": ("rnet", Tiles(28, 11, 3, 48, 2, 3, parts=2)),
    "RnetPool2Fp16": ("rnet", HalfPooling(48, 9, parts=2)),
    "RnetConv3Fp16": ("rnet", Tiles(48, 4, 2, 64, 2, 2, parts=2)),
    "RnetDenseFp16": ("rnet", Tiles(64, 3, 3, 128, 1, 1, parts=2)),
    "OnetConv1Fp16": ("onet", Tiles(3, 48, 3, 32, 2, 2, parts=2)),
    "OnetPool1Fp16": ("onet", HalfPooling(32, 46, parts=2)),
    "OnetConv2Fp16": ("onet", Tiles(32, 23, 3, 64, 2, 4, parts=2)),
    "OnetPool2Fp16": ("onet", HalfPooling(64, 21, parts=2)),
    "OnetConv3Fp16": ("onet", Tiles(64, 10, 3, 64, 2, 2, 2, parts=2)),
    "OnetConv4Fp16": ("onet", Tiles(64, 4, 2, 128, 2, 1, parts=2)),
    "OnetDenseFp16": ("onet", Tiles(128, 3, 3, 256, 1, 1, parts=2)),
    "LnetConv1Fp16": ("lnet", Tiles(3, 24, 3, 28, 2, 2, 1, 5)),
    "LnetPool1Fp16": ("lnet", HalfPooling(28, 22, 5)),
    "LnetConv2Fp16": ("lnet", Tiles(28, 11, 3, 48, 2, 3, 1, 5)),
    "LnetPool2Fp16": ("lnet", HalfPooling(48, 9, 5)),
    "LnetConv3Fp16": ("lnet", Tiles(48, 4, 2, 64, 2, 2, 1, 5)),
    "LnetDense1Fp16": ("lnet", Tiles(320, 3, 3, 256, 1, 1)),
    "LnetDense2Fp16": ("lnet", Tiles(256, 1, 1, 320, 1, 1)),
    "LnetHeadsFp16": ("lnet", Heads(320, 10)),
}
# P-Net's, as csrc/cuda/kernels/pnet.h shares them out: (channels, kernel, rows, columns, outputs of a thread).
PNET = {"PnetConv1": (3, 3, 2, 2, 10), "PnetConv2": (10, 3, 4, 1, 8), "PnetPropose": (16, 3, 2, 1, 32)}
PNET |= {"PnetOutputs": PNET["PnetPropose"]}
PNET_BYTES = {"PnetConv1": 4 * 16 + 48, "PnetConv2": 4 * (40 / 2 + 32), "PnetPropose": 2 * 64, "PnetOutputs": 2 * 88}


# In float16, by warps: (layer, pixels or cells that a warp makes, bytes of each).
PNET_FP16 = {
    "PnetConv1Fp16": (Tiles(3, 0, 3, 10, 4, 1, parts=2), 16, 4 * 16 + 64),
    "PnetConv2Fp16": (Tiles(10, 0, 3, 16, 2, 1, parts=2), 32, 64 + 64),
    "PnetProposeFp16": (Tiles(16, 0, 3, 32, 2, 2, parts=2), 32, 64),
    "PnetOutputsFp16": (Tiles(16, 0, 3, 32, 2, 2, parts=2), 32, 64 + 24),
}


def _pnet_fp16(name: str, warps: float, levels: int) -> Work:
    layer, made, moved = PNET_FP16[name]
    instructions, wavefronts, cycles = layer.warp(prologue=140)
    products = layer.steps() * 2.0 * layer.tiles * layer.groups * layer.multiplied() * 16 * 8 * 16
    flop = 2.0 * 9 * layer.channels * layer.out * made * (4 if layer.tiles == 4 else 1)
    if layer.groups == 2:  # and the heads
        flop += made * 2.0 * 32 * 6
        products += 2.0 * 2 * 3 * layer.multiplied() * 16 * 8 * 16
        instructions += 200
        cycles += 2 * (L1_LOAD + layer.multiplied() * TENSOR_STEP)
    cycles += L1_LOAD * log2(levels + 1) + 2 * L2_LOAD
    return Work(
        WARP * warps, warps * made * moved, warps * flop, instructions, wavefronts, cycles, products=warps * products
    )


def _pnet(name: str, threads: float, levels: int) -> Work:
    channels, kernel, rows, columns, outputs = PNET[name]
    instructions, wavefronts, cycles = Convolution(channels, 0, kernel, outputs, rows, outputs, columns).thread()
    flop = 2.0 * kernel**2 * channels * outputs * rows * columns
    search = L2_LOAD * log2(levels + 1)
    if name != "PnetConv1" and name != "PnetConv2":
        flop += rows * 2.0 * 32 * 6
        instructions += rows * 32 * 2
    return Work(threads, threads * PNET_BYTES[name], threads * flop, instructions, wavefronts, cycles + search)


def work_of(name: str, amount: int, facts: Facts, stage: int, launches: int) -> Work | None:
    """Of a kernel that was launched for `amount` threads (or warps), `launches` times in the call; None: not known.

    stage: 0, 1, 2 at P-Net's, R-Net's and O-Net's set of boxes.
    """
    work = _work_of(name, amount, facts, stage, launches)
    return work._replace(resident=RESIDENT.get(name, REST)) if work else None


def _work_of(name: str, amount: int, facts: Facts, stage: int, launches: int) -> Work | None:
    n = facts.boxes(stage)
    active = min(amount, n)
    levels = len(facts.levels) * facts.frames
    if name in LAYERS:
        net, layer = LAYERS[name]
        return layer.work(getattr(facts, net) / launches)
    if name in PNET_FP16:
        return _pnet_fp16(name, amount, levels)
    if name in PNET:
        return _pnet(name, amount, levels)
    words = ceil(min(n / facts.frames, ROUND) / 32)
    later = max(0, n - ROUND * facts.frames)  # boxes that come after a first round
    boxes: dict[str, Work] = {
        # The picture and its pyramid: a thread a pixel, whose taps and pixels are near one another.
        "Halve": Work(amount, 255.0 * amount, 250.0 * amount, 600, 48, 2 * L2_LOAD),
        "LevelTaps": Work(amount, 24.0 * amount, 60.0 * amount, 300, 8, (log2(levels + 1) + 2) * L2_LOAD),
        "ResizeTaps": Work(amount, 24.0 * amount, 60.0 * amount, 300, 8, 2 * L2_LOAD),
        "ResizeFrame": Work(amount, 12.0 * amount, 60.0 * amount, 150, 20, 3 * L2_LOAD),
        "DrawTiles": Work(amount, 24.0 * amount, 70.0 * amount, 200, 24, (log2(levels + 1) + 4) * L2_LOAD),
        "PnetPixels": Work(amount, 28.0 * amount, 70.0 * amount, 200, 24, (log2(levels + 1) + 4) * L2_LOAD),
        "Propose": Work(amount, 4.0 * amount, 0, 60, 8, (log2(levels + 1) + 2) * L2_LOAD + FENCE),
        "CropTaps": Work(amount, 24.0 * amount, 60.0 * amount, 300, 8, 3 * L2_LOAD),
        "PatchTaps": Work(amount, 24.0 * amount, 60.0 * amount, 300, 8, 3 * L2_LOAD),
        "CropResize": Work(amount, 24.0 * amount, 70.0 * amount, 200, 24, 5 * L2_LOAD),
        "PatchResize": Work(amount, 24.0 * amount, 70.0 * amount, 200, 24, 5 * L2_LOAD),
        "InterleavePlanes": Work(amount, 28.0 * amount, 0, 30, 8, L2_LOAD),
        # Sets of boxes, 88 bytes each.
        "KeepLargerCount": Work(1, 8, 0, 10, 2, 2 * L2_LOAD),
        "Limit": Work(1, 12, 0, 10, 3, 2 * L2_LOAD),
        "ChargeOnlyFrame": Work(1, 28, 0, 20, 4, 2 * L2_LOAD),
        "ChargeWork": Work(facts.frames, 24.0 * facts.frames, 0, 20, 4, L2_LOAD),
        "CountWork": Work(active, 12.0 * active, 0, 20, 4, 2 * L2_LOAD + FENCE),
        "MakeKeys": Work(active, 104.0 * active, 0, 30, 4, 2 * L2_LOAD),
        "SortRuns": Work(active, 36.0 * active, 0, 8.0 * min(n, RUN), min(n, RUN) / AHEAD, 2 * L2_LOAD),
        "MergeRuns": Work(active, 36.0 * active, 0, 60 * log2(RUN), 8 * log2(RUN), log2(RUN) * L2_LOAD * 1.5),
        "GatherRanked": Work(active, 220.0 * active, 0, 80, 40, 4 * L2_LOAD),
        "SuppressByKept": Work(
            max(1, later), 28.0 * later, 0, 20 + OVERLAP * later / 6, 4 + later / 6, 2 * L2_LOAD + later / 6 * L1_LOAD
        ),
        "SuppressionMask": Work(
            min(amount, n * words), 4.0 * n * words + 28.0 * n, 0, 32 * OVERLAP * max(1.0, n * words / max(amount, 1)),
            32.0, 3 * L2_LOAD,
        ),
        "KeepGreedily": Work(
            WARP * facts.frames, 4.0 * n * words, 0, words * 32 * 6, 32.0 * words,
            words * 2 * L2_LOAD + words**2 / 2 / AHEAD * L1_LOAD,
        ),
        "FindSuppressors": Work(active, 28.0 * active, 0, OVERLAP * n / 12, n / 12, n / 12 * L1_LOAD),
        "AverageKept": Work(active, 176.0 * active, 0, 4.0 * n, n / AHEAD, n / AHEAD * L1_LOAD),
        "Compact": Work(active, 180.0 * active, 0, n / 32 * 3 + 60, 40, n / 32 / AHEAD * L1_LOAD + 3 * L2_LOAD),
        "Accept": Work(active, 250.0 * active, 0, 100, 40, 3 * L2_LOAD + FENCE),
    }  # fmt: skip
    for simple in ("Regress", "ReachesScore", "Vote", "Square", "TruncateAndClip", "MoveLandmarks", "CopyForSquares",
                   "IndexByOrder", "AverageIntoSaved", "AverageOutputsIntoSaved", "KeepBetween",
                   "MarkAffordable"):  # fmt: skip
        boxes[simple] = Work(active, 100.0 * active, 0, 60, 12, 3 * L2_LOAD)
    return boxes.get(name)
