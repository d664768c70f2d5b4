"""Waiting until nothing that an earlier turn left behind still runs.

Threads of some runtimes spin for a while after a call, waiting for the next. Whoever comes next then shares the cores
with them: our own detector took up to twice its time right after one on ONNX Runtime.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Quiet", "cpu_seconds"]

LEAST = 0.15  # seconds of every pause
WINDOW = 0.05  # seconds over which processes must be idle
IDLE = 0.02  # of a core, all threads together
LONGEST = 5.0  # seconds; then the turn begins all the same, and the report says so


def cpu_seconds(process: int) -> float:
    """That all threads of a process have run; 0 of one that ended."""
    total = 0.0
    for thread in Path(f"/proc/{process}/task").glob("*/schedstat"):
        try:
            total += int(thread.read_text().split()[0]) / 1e9
        except OSError:  # the thread ended meanwhile
            continue
    return total


def wants_to_run(process: int) -> bool:
    """Whether a thread of it is at work, or would be if a core were free."""
    for thread in Path(f"/proc/{process}/task").glob("*/stat"):
        try:
            if thread.read_text().rpartition(")")[2].split()[0] == "R":
                return True
        except (OSError, IndexError):  # the thread ended meanwhile
            continue
    return False


def machine_ticks() -> tuple[int, int]:
    """Of all cores since the machine started: those that were idle, and all."""
    ticks = [int(v) for v in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


@dataclass
class Quiet:
    """Pauses between turns. `waits`: seconds of each; `never`: how many ended while threads were still running."""

    processes: list[int]
    waits: list[float] = field(default_factory=list)
    never: int = 0
    ticks: list[int] = field(default_factory=lambda: [0, 0])  # idle, and all, of the last window of each pause

    @classmethod
    def of(cls, processes: Iterable[int]) -> Quiet:
        return cls(list(processes))

    def wait(self) -> None:
        began = time.perf_counter()
        time.sleep(max(0.0, LEAST - WINDOW))
        while True:
            ticks_before = machine_ticks()
            before, at = sum(map(cpu_seconds, self.processes)), time.perf_counter()
            time.sleep(WINDOW)
            now = time.perf_counter()
            idle = sum(map(cpu_seconds, self.processes)) - before < IDLE * (now - at)
            if idle and not any(map(wants_to_run, self.processes)):
                break
            if now - began > LONGEST:
                self.never += 1
                break
        for i, ticks in enumerate(machine_ticks()):
            self.ticks[i] += ticks - ticks_before[i]
        self.waits.append(time.perf_counter() - began)

    def as_json(self) -> dict[str, float]:
        """`machine_busy`: the part of the machine's cores that other programs kept busy while all detectors were idle,
        and so most likely beside them, too."""
        waits = sorted(self.waits) or [0.0]
        busy = 1 - self.ticks[0] / self.ticks[1] if self.ticks[1] else 0.0
        return {
            "pauses": len(self.waits),
            "median_s": round(waits[len(waits) // 2], 3),
            "longest_s": round(waits[-1], 3),
            "never_quiet": self.never,
            "machine_busy": round(busy, 3),
        }
