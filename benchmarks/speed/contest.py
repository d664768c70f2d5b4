"""Detectors taking turns on the same pictures, so that what else the machine does hits all alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.processes import Detector
from benchmarks.speed.faces import agreement
from benchmarks.speed.summary import summarise

__all__ = ["latency", "throughput"]

PAUSE = 0.1  # seconds between turns: threads of the last one may still be spinning
WARM = 0.05  # seconds of detecting before a call is timed: a virtual machine's cores are slow to wake
CALLS = 3  # a turn, of a picture


def latency(
    detectors: Sequence[Detector], images: Sequence[Path], minsize: float, rounds: int, reference: str
) -> list[dict[str, Any]]:
    """Milliseconds a picture: one result a detector. Warm, in the midst of other calls; and of the first picture after
    a pause. Ratios are to the first detector's median; faces are matched with those of the detector `reference`."""
    first = {d.name: [d.call(image, minsize) for image in images] for d in detectors}
    failed = {name: a["error"] for name, answers in first.items() for a in answers if "error" in a}
    running = [d for d in detectors if d.name not in failed]
    for d in running:  # what is prepared on the second call, and the third
        d.call(images[0], minsize, 2)
    samples: dict[str, list[float]] = {d.name: [] for d in running}
    paused: dict[str, list[float]] = {d.name: [] for d in running}
    for _ in range(rounds):
        for d in running:
            time.sleep(PAUSE)
            paused[d.name] += d.call(images[0], minsize)["ms"]
            ms = [d.call(image, minsize, CALLS, WARM)["ms"] for image in images]
            samples[d.name] += [float(v) for v in np.mean(ms, axis=0)]
    medians = {name: summarise(values) for name, values in samples.items()}
    unit = medians[running[0].name].median if running else 0
    expected = [a["dets"] for a in first[reference]] if reference in samples else None
    results = []
    for d in detectors:
        if d.name in failed:
            results.append({"detector": d.name, "error": failed[d.name]})
            continue
        dets = [a["dets"] for a in first[d.name]]
        result: dict[str, Any] = {"detector": d.name, **medians[d.name].as_json("ms")}
        result["ratio"] = round(medians[d.name].median / unit, 3)
        result["paused_ms"] = round(float(np.median(paused[d.name])), 4)
        result["first_ms"] = round(first[d.name][0]["ms"][0], 2)
        result["faces"] = sum(map(len, dets))
        if expected is not None:
            result |= vars(agreement(expected, dets))
        results.append(result)
    return results


def throughput(
    detectors: Sequence[Detector], image: Path, minsize: float, callers: int, rounds: int, seconds: float
) -> list[dict[str, Any]]:
    """Pictures a second of so many threads that detect at once: one result a detector."""
    samples: dict[str, list[float]] = {d.name: [] for d in detectors}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for d in detectors:
            if d.name in failed:
                continue
            time.sleep(PAUSE)
            answer = d.throughput(image, minsize, callers, seconds)
            if "error" in answer:
                failed[d.name] = answer["error"]
            else:
                samples[d.name].append(answer["per_second"])
    return [
        {"detector": d.name, "callers": callers}
        | ({"error": failed[d.name]} if d.name in failed else summarise(samples[d.name]).as_json("per_s"))
        for d in detectors
    ]
