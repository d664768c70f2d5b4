#!/usr/bin/env python3
"""Batches beside single calls: python -m benchmarks.speed.batch [--memory].

Times detect_batch against detect called for each picture, in turns, so that what else the machine does hits both alike.
With --memory it prints what large batches take instead, each in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.peers.processes import ROOT
from benchmarks.peers.processor import machine
from mtcnn import TrtMtcnn
from mtcnn.params import Preset

PHOTO = np.asarray(cv2.imread(str(ROOT / "docs" / "images" / "astronaut.jpg")), np.uint8)

Image = npt.NDArray[np.uint8]
MIXED = ((100, 80), (320, 240), (640, 480), (1920, 1080), (480, 640), (250, 250), (90, 600), (800, 600))


def photo(width: int, height: int) -> Image:
    """Turned and shifted a little with each call, so that no two are equal."""
    photo.count += 1  # type: ignore[attr-defined]
    shifted = np.roll(PHOTO, 3 * photo.count, axis=1)  # type: ignore[attr-defined]
    return np.asarray(cv2.resize(shifted, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


photo.count = 0  # type: ignore[attr-defined]


def crowd(width: int, height: int, side: int) -> Image:
    """Full of faces, `side` pixels with what is about them."""
    face = cv2.resize(PHOTO[20:230, 120:330], (side, side), interpolation=cv2.INTER_AREA)
    return np.tile(np.asarray(face, np.uint8), (height // side, width // side, 1))


BATCHES: dict[str, Callable[[], list[Image]]] = {
    "64 of 100x100": lambda: [photo(100, 100) for _ in range(64)],
    "16 of 320x240": lambda: [photo(320, 240) for _ in range(16)],
    "16 of 640x480": lambda: [photo(640, 480) for _ in range(16)],
    "8 of 1920x1080": lambda: [photo(1920, 1080) for _ in range(8)],
    "16 mixed, 100x80 to 1920x1080": lambda: [
        photo(*size) for size in MIXED * 2
    ],
    "4 crowds of 1280x720": lambda: [crowd(1280, 720, 80)] * 4,
}  # fmt: skip

LARGE: dict[str, tuple[Callable[[], Iterator[Image]], dict[str, Any]]] = {
    "10,000 of 100x100": (lambda: (np.roll(PHOTO[:100, 200:300], i, 0) for i in range(10_000)), {}),
    "10,000 of 320x240, a generator": (lambda: (photo(320, 240) for _ in range(10_000)), {}),
    "64 of 3840x2160": (lambda: iter([photo(3840, 2160)] * 64), {}),
    "one of 7680x4320, 20,736 faces, minsize 20": (lambda: iter([crowd(7680, 4320, 40)]), {"minsize": 20}),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Time detect_batch beside detect, or measure its memory.")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each (default %(default)s)")
    parser.add_argument("--preset", default="accurate")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of a call; 0: one a core")
    parser.add_argument("--memory", action="store_true", help="print what large batches take instead")
    parser.add_argument("--large", choices=LARGE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.large:
        return measure(options.large, options.preset)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{machine()}, preset {options.preset}")
    if options.memory:
        for name in LARGE:
            command = [sys.executable, "-m", "benchmarks.speed.batch", "--large", name, "--preset", options.preset]
            subprocess.run(command, check=True, cwd=ROOT)
        return 0
    table = Table("batch", "faces", "one by one", "batch", "ratio", "one by one, CPU", "batch, CPU", "ratio, CPU")
    with TrtMtcnn(device="cpu", preset=options.preset, threads=options.threads) as detector:
        for name, make in BATCHES.items():
            table.add_row(name, *compare(detector, make(), options.rounds))
    console.print(table)
    console.print("milliseconds a picture, medians; CPU: time of all cores, which other programs hardly change")
    return 0


def compare(detector: TrtMtcnn, images: list[Image], rounds: int) -> list[str]:
    def single() -> list[Any]:
        return [detector.detect(img) for img in images]

    def batch() -> list[Any]:
        return detector.detect_batch(images)

    faces = 0
    for (alone, _), (together, _) in zip(single(), batch(), strict=True):
        assert alone.shape == together.shape and np.allclose(alone, together, atol=0.01)
        faces += len(alone)
    row = [str(faces)]
    turns = {single: Clock(), batch: Clock()}
    for i in range(rounds):
        for call in (single, batch) if i % 2 else (batch, single):
            turns[call].time(call)
    for part in ("wall", "cpu"):
        one, many = (1000 * median(getattr(clock, part)) / len(images) for clock in turns.values())
        row += [f"{one:.2f}", f"{many:.2f}", f"{one / many:.2f}"]
    return row


class Clock:
    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def time(self, call: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def measure(name: str, preset: Preset) -> int:
    make, params = LARGE[name]
    with TrtMtcnn(device="cpu", preset=preset) as detector:
        detector.detect(PHOTO)
        images = make()
        reset_peak()
        before, began = resident("VmRSS"), time.perf_counter()
        faces = sum(len(dets) for dets, _ in detector.detect_batch(images, **params))
        took = time.perf_counter() - began
    more = resident("VmHWM") - before
    print(
        f"{name}: {faces} faces in {took:.1f} s; resident memory {before:.0f} MiB before, {more:+.0f} MiB at its peak"
    )
    return 0


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def resident(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    sys.exit(main())
