#!/usr/bin/env python3
"""Detects for a long time from several threads and watches the process: python benchmarks/soak.py [--seconds 3600].

Pictures of mixed sizes, presets, batches, bad input, and detectors that come and go. Every result must equal the one
that a serial run gave, every bad input its error. After a warm-up, resident memory must stay within 2%, and threads and
open files must not grow. Prints a line now and then; exits with 1 where something was wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn import FaceAligner, TrtMtcnn, draw_faces
from mtcnn.engines import current_engines, engines_folder
from mtcnn.engines.devices import gpu_flavour
from mtcnn.params import PRESETS

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 0.25  # of the time
ROUNDS = 3  # of all calls, by all threads at once, with which it begins: all memory has then met all sizes
STEADY = 0.02  # of resident memory

Image = npt.NDArray[np.uint8]


class Work(NamedTuple):
    what: str
    do: Callable[[], Any]


class Sample(NamedTuple):
    megabytes: float
    threads: int
    files: int


def main() -> int:
    parser = argparse.ArgumentParser(description="Detect for a long time, watching memory, threads and results.")
    parser.add_argument("--seconds", type=float, default=3600, help="how long (default %(default)s)")
    parser.add_argument("--threads", type=int, default=4, help="detecting at once (default %(default)s)")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    flavour = "cpu" if options.device == "cpu" else gpu_flavour()
    engines = current_engines(engines_folder(flavour), flavour)
    with TrtMtcnn(engines, options.device) as detector:
        works = make_works(detector, engines[1])
        expected = [outcome(work) for work in works]
        found = sum(len(dets) for result in expected if isinstance(result, list) for dets, _ in result)
        print(f"{detector.runtime}: {len(works)} kinds of call, {found} faces, {options.threads} threads", flush=True)
        return soak(works, expected, options.threads, options.seconds)


def make_works(detector: TrtMtcnn, rnet: Path) -> list[Work]:
    photo = cv2.imread(str(ROOT / "docs" / "images" / "astronaut.jpg"))
    assert photo is not None
    img = np.asarray(photo, np.uint8)
    face = img[20:230, 120:330]
    rng = np.random.default_rng(0)
    pictures = [
        img,
        np.asarray(cv2.resize(img, (1280, 720)), np.uint8),
        np.tile(np.asarray(cv2.resize(face, (90, 90)), np.uint8), (6, 9, 1)),
        np.tile(np.asarray(cv2.resize(face, (60, 60)), np.uint8), (3, 20, 1)),
        np.zeros((1, 1, 3), np.uint8),
        rng.integers(0, 256, (300, 400, 3), np.uint8),
        img[::-1, ::-1],
        img[:, :, 0],
    ]
    pictures += [img[: int(h), : int(w)] for h, w in rng.integers(200, 512, (8, 2))]
    works = [
        Work(f"detect, {preset}, {picture.shape}", bind(detector.detect, picture, minsize, preset=preset))
        for picture in pictures
        for preset, minsize in zip(PRESETS, (30, 40, 24), strict=True)
    ]
    works += [
        Work("detect_batch", bind(detector.detect_batch, [pictures[i] for i in rng.permutation(len(pictures))[:n]], 30))
        for n in (0, 1, 3, 7, 16)
    ]
    bad: list[Any] = [None, "a.jpg", np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 2), np.uint8), img / 255.0]
    works += [Work("bad input", bind(detector.detect, picture)) for picture in bad]
    works += [
        Work("bad batch", bind(detector.detect_batch, [img, None])),
        Work("bad parameter", bind(detector.detect, img, factor=2)),
        Work("a detector of its own", lambda: own_detector(detector, img)),
        Work("one network", lambda: one_network(rnet)),
        Work("align and draw", lambda: align_and_draw(detector, img)),
    ]
    return works


def bind(call: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[[], Any]:
    return lambda: call(*arguments, **named)


def own_detector(detector: TrtMtcnn, img: Image) -> Any:
    with pickle.loads(pickle.dumps(detector)) as other:
        return [other.detect(img)]


def one_network(path: Path) -> Any:
    network = pytrt.PyTrtMtcnn(path)
    try:
        return network.forward(np.full((5, 3, 24, 24), 0.25, np.float32))["prob1"]
    finally:
        network.destroy()


def align_and_draw(detector: TrtMtcnn, img: Image) -> Any:
    dets, landmarks = detector.detect(img)
    return np.append(FaceAligner().align_all(img, landmarks), draw_faces(img, dets, landmarks))


def outcome(work: Work) -> Any:
    """What it returns, or says."""
    try:
        result = work.do()
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return [result] if isinstance(result, tuple) else result


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return bool(np.array_equal(a, b))


def soak(works: list[Work], expected: list[Any], threads: int, seconds: float) -> int:
    stop = threading.Event()
    wrong: list[str] = []
    calls, rounds = [0] * threads, [0] * threads
    together = threading.Barrier(threads)

    def detect(number: int) -> None:
        rng = np.random.default_rng(number)
        while not stop.is_set():
            for i in range(len(works)) if rounds[number] < ROUNDS else rng.permutation(len(works)):
                if rounds[number] < ROUNDS:
                    with contextlib.suppress(threading.BrokenBarrierError):
                        together.wait()
                if stop.is_set():
                    return
                try:
                    result = outcome(works[i])
                    if not same(result, expected[i]):
                        wrong.append(f"{works[i].what}: another result than that of the serial run")
                except BaseException as error:
                    wrong.append(f"{works[i].what}: {type(error).__name__}: {error}")
                calls[number] += 1
            rounds[number] += 1

    workers = [threading.Thread(target=detect, args=(i,), daemon=True) for i in range(threads)]
    for worker in workers:
        worker.start()
    began, told, end = time.monotonic(), 0.0, math.inf
    samples: list[Sample] = []
    while (now := time.monotonic() - began) < end and not wrong:
        taken = sample()
        if now >= told:
            told = now + seconds / 20
            print(f"{now:6.0f} s  {sum(calls):7} calls  {describe(taken)}", flush=True)
        if end == math.inf and now >= WARM_UP * seconds and min(rounds) >= ROUNDS:
            end = now + (1 - WARM_UP) * seconds
        if end < math.inf:
            samples.append(taken)
        elif now > 10 * seconds + 600:
            wrong.append("the warm-up does not end")
        time.sleep(min(0.25, seconds / 200))
    stop.set()
    together.abort()
    for worker in workers:
        worker.join(60)
    if any(worker.is_alive() for worker in workers):
        wrong.append("a thread hangs")
    print(f"{now:6.0f} s  {sum(calls):7} calls", flush=True)
    if samples:
        wrong += growth(samples)
    for line in sorted(set(wrong)):
        print(f"WRONG: {line}")
    return 1 if wrong else 0


def sample() -> Sample:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Sample(resident / 2**20, len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")))


def describe(taken: Sample) -> str:
    return f"{taken.megabytes:7.1f} MiB  {taken.threads:3} threads  {taken.files:3} files"


def growth(samples: list[Sample]) -> list[str]:
    """What grew from the first quarter of the samples to the last."""
    quarter = max(1, len(samples) // 4)
    first, last = samples[:quarter], samples[-quarter:]
    before, after = (median(s.megabytes for s in part) for part in (first, last))
    print(f"resident memory: median {before:.1f} MiB, then {after:.1f} MiB ({100 * (after / before - 1):+.2f}%)")
    wrong = [] if after <= before * (1 + STEADY) else [f"memory grew from {before:.1f} MiB to {after:.1f} MiB"]
    for what in ("threads", "files"):
        # A call in progress may hold one more; what is lost is held in every sample after.
        before, after = (min(getattr(s, what) for s in part) for part in (first, last))
        print(f"{what}: at least {before}, then {after}")
        if after > before:
            wrong.append(f"{what} grew from {before} to {after}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
