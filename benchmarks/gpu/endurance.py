"""Frames of mixed sizes from several threads; the memory afterwards beside what it was after the first of them."""

from __future__ import annotations

import resource
import threading
import time
from typing import Any

import numpy as np

from mtcnn.params import Preset
from tests.gpu import frames
from tests.gpu.machine import EMULATED, Variant, free_gpu_memory, make_detector

PRESETS: tuple[Preset, ...] = ("fast", "accurate", "port")
MOST_GROWTH = 64 << 20  # bytes: what the driver takes and gives by itself


def endurance(flavour: str, precision: str) -> dict[str, Any]:
    variant = Variant(flavour, precision)
    count, workers, smallest = (20, 2, 60) if EMULATED else (10_000, 8, 40)
    photo = frames.astronaut() if EMULATED else frames.frame_1080p()
    wrong: list[str] = []

    def memory() -> int:
        """Bytes in use, the GPU's or, emulated, the most that the process ever had."""
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if EMULATED else -free_gpu_memory()

    with make_detector(variant) as detector:

        def work(seed: int, calls: int, ready: threading.Barrier) -> None:
            rng = np.random.default_rng(seed)
            try:
                ready.wait()  # so that there are as many contexts as threads
                detector.detect(photo, 20)  # the most that any of them needs
                ready.wait()
                for i in range(calls):
                    height, width = rng.integers(smallest, photo.shape[:2])
                    preset = PRESETS[i % len(PRESETS)]
                    detector.detect(photo[:height, :width], float(rng.uniform(20, 80)), preset=preset)
            except Exception as error:  # said in the report, not lost in the thread
                wrong.append(f"{type(error).__name__}: {error}")
                ready.abort()

        def run(calls: int) -> float:
            ready = threading.Barrier(workers)
            threads = [threading.Thread(target=work, args=(i, calls // workers, ready)) for i in range(workers)]
            began = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return time.perf_counter() - began

        run(count // 10)
        before = memory()
        seconds = run(count)
        grown = memory() - before
    failed = dict.fromkeys(wrong, "a thread ended with it")
    if grown > MOST_GROWTH:
        failed["memory"] = f"grew by {grown >> 20} MiB over {count} frames"
    return {
        "frames": count,
        "threads": workers,
        "seconds": round(seconds, 1),
        "grown_mib": round(grown / 2**20, 1),
        "failed": failed,
    }
