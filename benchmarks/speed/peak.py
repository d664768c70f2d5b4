"""What the cores given to this process can do: prints {"gflops": ..., "gb_per_s": ...}.

float32 matrix products of several sizes, and dot products of arrays that no cache holds; the best of what was seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np

SIZES = (768, 1024, 1536, 2048)
READ = 1 << 26  # values of each array: 256 MiB
SECONDS = 0.5  # a size


def best(work: Callable[[], object], seconds: float) -> float:
    """The least seconds that a call took."""
    work()
    least, ends = float("inf"), time.perf_counter() + seconds
    while True:
        began = time.perf_counter()
        work()
        now = time.perf_counter()
        least = min(least, now - began)
        if now > ends:
            return least


def gflops(n: int) -> float:
    a, b = (np.random.default_rng(i).standard_normal((n, n), np.float32) for i in (0, 1))
    out = np.empty_like(a)
    return 2 * n**3 / best(lambda: np.matmul(a, b, out=out), SECONDS) / 1e9


def gb_per_s() -> float:
    a, b = np.ones(READ, np.float32), np.ones(READ, np.float32)
    return 2 * a.nbytes / best(lambda: np.dot(a, b), SECONDS) / 1e9


if __name__ == "__main__":
    print(json.dumps({"gflops": round(max(map(gflops, SIZES)), 1), "gb_per_s": round(gb_per_s(), 2)}))
