"""What a detection asks of a GPU: kernels, copies, network calls, waits. python -m benchmarks.gpu.trace

Counted on the model of a GPU (pytrt.testing.EmulatedGpu), in the first call and in one that repeats it, whose P-Net, or
with networks of our own the whole of it, is a replayed CUDA graph. The time beside is reckoned from the counts by the
rates below, with TensorRT's networks only (for ours there is benchmarks.gpu.model): nothing is measured on a GPU.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from typing import Any, NamedTuple

from benchmarks.gpu import floors
from mtcnn import cascade
from tests.gpu.frames import frame_1080p
from tests.support.emulated import emulated_detector, emulated_gpu, kernel_detector

# Of an H200 and its host, as datasheets and common experience have them.
LAUNCH_US = 2.5  # the host's time to enqueue a kernel, a copy or a clear
NODE_US = 1.2  # the same in a graph, on the GPU
GRAPH_US = 8.0  # to launch a graph
WAIT_US = 10.0  # from the end of the GPU's work until the host goes on
NETWORK_LAUNCHES = 15  # of TensorRT, for a network
UPLOAD_BYTES_US = 25e3  # from pinned memory
FLOPS_US = 30e6  # float32: half of what the datasheet has

LAYERS = {"pnet": floors.PNET, "rnet": floors.RNET, "onet": floors.ONET}
ENQUEUED = ("kernel", "zero", "copy", "upload", "upload pageable", "download")
Traced = list[tuple[str, str, int]]


class Counts(NamedTuple):
    """Of a call. Those in the graph are among `in_graph`, networks included."""

    kernels: int
    copies: int  # and clears
    pixels: int  # copies of the pictures' pixels, bytes
    networks: tuple[str, ...]
    waits: int
    graphs: int
    in_graph: int


def count(trace: Traced, picture_bytes: int) -> Counts:
    calls = Counter(kind for kind, _, _ in trace)
    uploaded = sum(amount for kind, _, amount in trace if kind.startswith("upload"))
    return Counts(
        kernels=calls["kernel"],
        copies=sum(calls[kind] for kind in ENQUEUED if kind != "kernel"),
        pixels=min(uploaded, picture_bytes),
        networks=tuple(what for kind, what, _ in trace if kind == "network"),
        waits=calls["wait"],
        graphs=calls["graph"],
        in_graph=sum(amount for kind, _, amount in trace if kind == "graph"),
    )


def flops(shape: str) -> float:
    """Of a network on an input of this shape, by whose size it is known."""
    n, _, height, width = map(int, re.findall(r"\d+", shape))
    side = {24: "rnet", 48: "onet"}.get(height if height == width else 0, "pnet")
    return n * floors.flops(LAYERS[side], height, width)


def reckon(counts: Counts, networks: tuple[str, ...]) -> float:
    """Milliseconds. `networks`: all of them, those in the graph included."""
    replayed = len(networks) - len(counts.networks)
    enqueued = counts.kernels + counts.copies + NETWORK_LAUNCHES * len(counts.networks)
    nodes = counts.in_graph + (NETWORK_LAUNCHES - 1) * replayed
    us = LAUNCH_US * enqueued + GRAPH_US * counts.graphs + NODE_US * nodes + WAIT_US * counts.waits
    return (us + counts.pixels / UPLOAD_BYTES_US + sum(map(flops, networks)) / FLOPS_US) / 1000


def trace(
    batch: int, preset: str, flavour: str, one_by_one: bool, max_work: float | None = None
) -> tuple[Counts, Counts]:
    """Of the first call and of one that repeats it."""
    gpu = emulated_gpu("asynchronous", memory=4 << 30, late_pageable=False, kernels=flavour == "cuda")
    make: Any = kernel_detector if flavour == "cuda" else emulated_detector
    images = [frame_1080p()] * batch
    seen: list[Counts] = []
    with make(gpu=gpu, preset=preset, max_work=max_work) as detector, detector._lend_stages() as stages:
        for _ in range(4):
            gpu.start_trace()
            cascade.detect(stages, images, detector.params, (lambda stage, left: None) if one_by_one else None)
            seen.append(count(gpu.trace(), sum(img.nbytes for img in images)))
    return seen[0], seen[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="fast", help="default: fast")
    parser.add_argument("--batches", default="1,8", help="numbers of 1080p pictures, with commas; default: 1,8")
    parser.add_argument("--flavour", choices=("tensorrt", "cuda"), default="tensorrt", help="default: tensorrt")
    parser.add_argument("--stages", action="store_true", help="stage by stage, as where their boxes are asked for")
    parser.add_argument("--max-work", type=float, help="billions of multiply-adds that a picture may cost")
    options = parser.parse_args()
    print("| pictures | call | kernels | copies, clears | network calls | waits | graphs (operations) | reckoned |")
    print("|---|---|---|---|---|---|---|---|")
    networks: list[str] = []
    for batch in map(int, options.batches.split(",")):
        first, again = trace(batch, options.preset, options.flavour, options.stages, options.max_work)
        for name, counts in (("first", first), ("repeated", again)):
            replayed = f"{counts.graphs} ({counts.in_graph})" if counts.graphs else "none"
            reckoned = f"{reckon(counts, first.networks):.2f} ms" if options.flavour == "tensorrt" else "-"
            print(
                f"| {batch} | {name} | {counts.kernels} | {counts.copies} | {len(counts.networks)} | {counts.waits} "
                f"| {replayed} | {reckoned} |",
                flush=True,
            )
        networks.append(f"{batch}: {', '.join(first.networks)}")
    if options.flavour == "tensorrt":
        print("\nNetworks' inputs, by number of pictures:\n" + "\n".join(networks))


if __name__ == "__main__":
    main()
