"""Timing calls, alone and from several threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

from benchmarks.peers.worker import calls_a_second
from tests.gpu.machine import EMULATED

# Seconds and calls that a timing takes at most.
SECONDS, CALLS, WARM_UP = (0.1, 2, 0) if EMULATED else (1.0, 400, 20)


def time_calls(call: Callable[[], Any], seconds: float = SECONDS, warm_up: int = WARM_UP) -> dict[str, float]:
    for _ in range(warm_up):
        call()
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while len(times) < 2 or (len(times) < CALLS and time.perf_counter() < ends):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    percentiles = quantiles(times, n=20, method="inclusive")
    return {
        "median_ms": round(median(times), 4),
        "p5_ms": round(percentiles[0], 4),
        "p95_ms": round(percentiles[-1], 4),
        "calls": len(times),
    }


def threads_rate(call: Callable[[], Any], count: int, seconds: float = SECONDS) -> float:
    """Calls a second, over all threads."""
    return calls_a_second([call] * count, seconds, WARM_UP)
