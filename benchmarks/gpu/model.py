"""The microseconds that a detection should take on a GPU, kernel by kernel: python -m benchmarks.gpu.model

What is launched, copied and waited for is counted on the model of a GPU (pytrt.testing.EmulatedGpu), what the stages
see on the CPU, and both become time by benchmarks/gpu/cost.py and by the constants of benchmarks/gpu/trace.py. Nothing
is measured on a GPU.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from unittest import mock

from benchmarks.gpu.cost import GPUS, Facts, Gpu, Work, work_of
from benchmarks.gpu.trace import GRAPH_US, LAUNCH_US, NODE_US, UPLOAD_BYTES_US, WAIT_US
from benchmarks.onet_crops import onet_crops
from mtcnn import TrtMtcnn
from mtcnn.engines.settings import Precision
from mtcnn.params import Preset, make_params
from tests.gpu.frames import Image, frame_1080p
from tests.support.emulated import emulated_gpu, kernel_detector

MINSIZE = 40
GROUP = 2  # 1080p pictures that mtcnn.detector.COPIED_BATCH_PIXELS are
COPIES = ("zero", "copy", "upload", "upload pageable", "download")
Call = tuple[str, str, int]  # kind, name, amount


class Row(NamedTuple):
    """Of all launches of a kernel in a call. floor, reckoned: microseconds; None where the model knows nothing."""

    kind: str
    name: str
    launches: int
    threads: int
    bytes: float
    flop: float
    floor: float | None
    reckoned: float | None


def facts_of(img: Image, frames: int, preset: Preset) -> Facts:
    """What the stages see of `frames` copies of a picture, found on the CPU."""
    with TrtMtcnn(device="cpu", preset=preset) as detector:
        profile = detector.profile(img, MINSIZE, repeats=1)
        everything = detector.profile(img, MINSIZE, repeats=1, nms_thresholds=(1, 1, 1, 1), thresholds=(0.6, 1, 1))
        params = make_params(preset, {})
    rnet = profile.rnet_boxes
    return Facts(
        frames=frames,
        frame=img.shape[:2],
        levels=profile.levels,
        proposals=frames * everything.rnet_boxes,
        rnet=frames * rnet,
        onet=frames * onet_crops(profile, params),
        faces=frames * profile.faces,
        lnet=2 * frames * profile.faces,
    )


def stages_of(calls: Sequence[Call]) -> list[int]:
    """The stage that each call belongs to: 0 P-Net's, 1 R-Net's, 2 O-Net's."""
    found, stage = [], 0
    for kind, name, _ in calls:
        if name.startswith("Rnet") or (kind == "network" and name.endswith("24x24")):
            stage = 1
        elif name.startswith("Onet") or (kind == "network" and name.endswith("48x48")):
            stage = 2
        found.append(stage)
    return found


def rows_of(calls: Sequence[Call], facts: Facts, gpu: Gpu) -> list[Row]:
    """The kernels and copies of a call, those of a name together, in the order of their first launch."""
    launches = Counter((kind, name) for kind, name, _ in calls)
    found: dict[tuple[str, str], list[tuple[int, Work | None]]] = {}
    for (kind, name, amount), stage in zip(calls, stages_of(calls), strict=True):
        if kind != "kernel" and kind not in COPIES:
            continue
        if kind == "kernel":
            work = work_of(name, amount, facts, stage, launches[kind, name])
        else:
            work = Work(1, bytes=0.0 if "load" in kind else 2.0 * amount)
        found.setdefault((kind, name), []).append((amount, work))
    rows = []
    for (kind, name), all_of_it in found.items():
        works = [work for _, work in all_of_it if work]
        known = len(works) == len(all_of_it)
        over_bus = sum(amount for amount, _ in all_of_it) / UPLOAD_BYTES_US if "load" in kind else 0.0
        rows.append(
            Row(
                kind,
                name,
                len(all_of_it),
                max(amount for amount, _ in all_of_it),
                sum(work.bytes for work in works),
                sum(work.flop for work in works),
                over_bus + sum(work.floor(gpu) for work in works) if known else None,
                over_bus + sum(work.reckoned(gpu) for work in works) if known else None,
            )
        )
    return rows


def trace(
    img: Image, batch: int, preset: Preset, precision: Precision = "fp32", group: int = 8
) -> tuple[list[Call], list[Call]]:
    """What a call that repeats others asks of a GPU, as it is, and with what its CUDA graphs hold one by one.

    The latter is the call that captured them: what is captured is noted as if it were enqueued. group: pictures that
    are worked on at once.
    """
    gpu = emulated_gpu("asynchronous", memory=8 << 30, late_pageable=False, kernels=True)
    seen: list[list[Call]] = []
    with (
        kernel_detector("asynchronous", gpu, preset=preset, precision=precision) as detector,
        mock.patch.object(TrtMtcnn, "_batch_pixels", lambda self: 17_000_000),
        mock.patch("mtcnn.detector.COPIED_BATCH_PIXELS", group * img.shape[0] * img.shape[1]),
    ):
        for _ in range(4):
            gpu.start_trace()
            detector.detect_batch([img] * batch, MINSIZE)
            seen.append(gpu.trace())
    captured = [calls for calls in seen if any(kind == "capture" for kind, _, _ in calls)]
    return seen[-1], captured[-1] if captured else seen[-1]


def total(calls: Sequence[Call], rows: Sequence[Row]) -> str:
    """The call's time, and what it is made of. calls: as the host made them, graphs and all."""
    kinds = Counter(kind for kind, _, _ in calls)
    enqueued = kinds["kernel"] + sum(kinds[kind] for kind in COPIES)
    nodes = sum(amount for kind, _, amount in calls if kind == "graph")
    gpu_us = sum(row.reckoned or 0 for row in rows)
    host_us = LAUNCH_US * enqueued + GRAPH_US * kinds["graph"]
    gaps_us = NODE_US * (nodes + enqueued)
    waits_us = WAIT_US * kinds["wait"]
    # The host enqueues while the GPU works, but for what it must wait for.
    us = max(gpu_us + gaps_us, host_us) + waits_us
    return (
        f"{enqueued} launches and copies by the host, {kinds['graph']} graphs of {nodes} operations, "
        f"{kinds['wait']} waits; kernels and copies {gpu_us:.0f} us, between them {gaps_us:.0f} us, "
        f"the host {host_us:.0f} us, waits {waits_us:.0f} us: {us / 1000:.2f} ms"
    )


def overlapped(calls: Sequence[Call], graph_us: float, bytes_us: float = UPLOAD_BYTES_US) -> float:
    """Microseconds of a call whose pictures are copied while the GPU works on others.

    calls: as the host made them; each graph needs what was copied before it, and takes graph_us. Three things go on at
    once, the host, the copies and the kernels, each in order; kernels of two graphs are taken not to.
    """
    host = bus = kernels = 0.0
    ends: list[float] = []
    for kind, _, amount in calls:
        if kind == "wait":
            host = max(host, ends.pop(0)) + WAIT_US
        elif kind == "graph":
            host += GRAPH_US
            kernels = max(kernels, bus, host) + graph_us
            ends.append(kernels)
        elif kind == "upload":
            host += max(LAUNCH_US, amount / bytes_us)  # which copies to pinned memory as fast as the bus takes it
            bus = max(bus, host) + amount / bytes_us
    return host


def graph_time(calls: Sequence[Call], rows: Sequence[Row]) -> float:
    """Microseconds of all that a call's graph holds."""
    nodes = sum(amount for kind, _, amount in calls if kind == "graph")
    return sum(row.reckoned or 0 for row in rows if row.kind != "upload") + NODE_US * nodes


def table(rows: Sequence[Row]) -> list[str]:
    lines = ["| | launches | threads, bytes | MB | MFLOP | floor, us | reckoned, us |", "|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: -(row.reckoned or 0)):
        floor, reckoned = ("?" if value is None else f"{value:.1f}" for value in (row.floor, row.reckoned))
        lines.append(
            f"| {row.name or row.kind} | {row.launches} | {row.threads:,} | {row.bytes / 1e6:.2f} | "
            f"{row.flop / 1e6:,.1f} | {floor} | {reckoned} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="fast", help="default: fast")
    parser.add_argument("--batches", default="1,8", help="numbers of 1080p pictures, with commas; default: 1,8")
    parser.add_argument("--gpu", choices=sorted(GPUS), default="h200", help="whose rates; default: h200")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32", help="default: fp32")
    parser.add_argument("--totals", action="store_true", help="no tables")
    options = parser.parse_args()
    gpu, img = GPUS[options.gpu], frame_1080p()
    for batch in map(int, options.batches.split(",")):
        facts = facts_of(img, batch, options.preset)
        calls, plain = trace(img, batch, options.preset, options.precision)
        rows = rows_of(plain, facts, gpu)
        print(f"{batch} x 1920x1080, {options.preset}, {options.precision}, {options.gpu}: {facts.proposals} "
              f"proposals, {facts.rnet} crops for R-Net, {facts.onet} for O-Net")  # fmt: skip
        if not options.totals:
            print("\n".join(table(rows)))
        print(total(calls, rows))
        if batch > GROUP:
            calls, _ = trace(img, batch, options.preset, options.precision, GROUP)
            one, plain = trace(img, GROUP, options.preset, options.precision)
            graph_us = graph_time(one, rows_of(plain, facts_of(img, GROUP, options.preset), gpu))
            for rate in (UPLOAD_BYTES_US, 2 * UPLOAD_BYTES_US):
                us = overlapped(calls, graph_us, rate)
                print(f"{GROUP} at a time, copied meanwhile at {rate / 1000:.0f} GB/s, {graph_us:.0f} us a graph: "
                      f"{us / 1000:.2f} ms, {1e6 * batch / us:,.0f} pictures a second")  # fmt: skip
        print()


if __name__ == "__main__":
    main()
