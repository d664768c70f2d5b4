"""Detectors taking turns on the same pictures, each alone and at the number of threads that suits it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.processes import Detector
from benchmarks.speed.faces import agreement
from benchmarks.speed.quiet import Quiet
from benchmarks.speed.summary import summarise

__all__ = ["Entry", "race", "throughput"]

WARM = 0.05  # seconds of detecting before a call is timed: a virtual machine's cores are slow to wake
CALLS = 2  # a turn, of a picture
PROBES = 2  # rounds after which a number of threads that is much slower than another is left out
HOPELESS = 1.3
SLOWER = 1.05  # from here on "slower on more cores" is said


@dataclass
class Entry:
    """A row of a race: a detector, in one process for each number of threads, at one smallest face.

    minsize: None if the detector knows no smallest face.
    """

    label: str
    minsize: float | None
    detectors: Mapping[int, Detector]
    hot: dict[int, list[float]] = field(default_factory=dict)  # by threads: milliseconds a picture, one a round
    paused: dict[int, list[float]] = field(default_factory=dict)
    first_ms: float = 0.0
    faces: list[Any] = field(default_factory=list)
    error: str = ""

    def start(self, images: Sequence[Path]) -> None:
        """Whatever is prepared in the first calls; and what is found."""
        for threads, detector in self.detectors.items():
            answers = [detector.call(image, self.smallest) for image in images]
            for answer in answers:
                self.error = self.error or answer.get("error", "")
            if self.error:
                return
            detector.call(images[0], self.smallest, 2)
            self.hot[threads], self.paused[threads] = [], []
            self.faces = [answer["dets"] for answer in answers]
            self.first_ms = answers[0]["ms"][0]

    def turn(self, threads: int, images: Sequence[Path], quiet: Quiet) -> None:
        hot, paused = [], []
        for image in images:
            quiet.wait()
            paused += self.detectors[threads].call(image, self.smallest)["ms"]
            hot += self.detectors[threads].call(image, self.smallest, CALLS, WARM)["ms"]
        self.hot[threads].append(float(np.mean(hot)))
        self.paused[threads].append(float(np.mean(paused)))

    @property
    def smallest(self) -> float:
        return 20 if self.minsize is None else self.minsize  # YuNet does not look at it

    @property
    def threads(self) -> int:
        """With which it was fastest, in the midst of other calls."""
        return min(self.hot, key=lambda threads: float(np.median(self.hot[threads])))

    def running(self, round_: int) -> list[int]:
        """Numbers of threads that are still worth a turn. One thread always is: people ask for it."""
        if round_ < PROBES or len(self.hot) <= 2:
            return list(self.hot)
        least = min(float(np.median(times)) for times in self.hot.values())
        return [t for t, times in self.hot.items() if t == 1 or float(np.median(times)) <= HOPELESS * least]


def race(
    entries: Sequence[Entry], images: Sequence[Path], rounds: int, quiet: Quiet, unit: str, reference: str
) -> list[dict[str, Any]]:
    """One result an entry.

    Milliseconds a picture: `median_ms` in the midst of other calls, `paused_ms` of a first call after a pause; of the
    number of `threads` that is fastest, and `by_threads` of all. `ratios` are to the entries called `unit`, by their
    smallest face (an entry that has one is compared with its own alone): medians over rounds of the quotient within
    each. Faces are matched with those of `reference` at the same smallest face.
    """
    for entry in entries:
        entry.start(images)
    running = [entry for entry in entries if not entry.error]
    for round_ in range(rounds):
        first = round_ % max(len(running), 1)
        for entry in (*running[first:], *running[:first]):
            for threads in entry.running(round_):
                entry.turn(threads, images, quiet)
    units = {e.minsize: e for e in running if e.label == unit and e.minsize is not None}
    expected = {e.minsize: e.faces for e in running if e.label == reference}
    return [result(entry, units, expected.get(entry.minsize)) for entry in entries]


def result(entry: Entry, units: Mapping[float, Entry], expected: list[Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"detector": entry.label, "minsize": entry.minsize}
    if entry.error:
        return found | {"error": entry.error}
    threads = entry.threads
    found |= {"threads": threads, **summarise(entry.hot[threads]).as_json("ms")}
    found |= {f"paused_{k}": v for k, v in summarise(entry.paused[threads]).as_json("ms").items()}
    found["by_threads"] = {
        str(t): {
            "median_ms": round(float(np.median(times)), 4),
            "paused_ms": round(float(np.median(entry.paused[t])), 4),
            "rounds": len(times),
        }
        for t, times in entry.hot.items()
    }
    most = found["by_threads"][str(max(entry.hot))]["median_ms"]
    found["slower_on_more_threads"] = most > SLOWER * found["median_ms"]
    found["ratios"] = {
        f"{minsize:g}": quotient(entry.hot[threads], other.hot[other.threads])
        for minsize, other in units.items()
        if entry.minsize in (None, minsize)
    }
    found["first_ms"] = round(entry.first_ms, 2)
    found["faces"] = sum(map(len, entry.faces))
    if expected is not None:
        found |= vars(agreement(expected, entry.faces))
    return found


def quotient(times: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """Round by round; a race's rounds are numbered from the first for all."""
    rounds = min(len(times), len(others))
    return summarise(list(np.divide(times[:rounds], others[:rounds]))).as_json("ratio")


def throughput(
    detectors: Sequence[Detector],
    image: Path,
    minsize: float,
    callers: int,
    rounds: int,
    seconds: float,
    quiet: Quiet,
) -> list[dict[str, Any]]:
    """Pictures a second of so many threads that detect at once: one result a detector."""
    samples: dict[str, list[float]] = {d.name: [] for d in detectors}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for d in detectors:
            if d.name in failed:
                continue
            quiet.wait()
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
