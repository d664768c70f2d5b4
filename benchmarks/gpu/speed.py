"""Latency and throughput of a detector on the GPU, pictures in the host's memory, in pinned and in the GPU's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.gpu.clocks import Clocks
from benchmarks.gpu.floors import Rates, floors, measure_rates
from benchmarks.gpu.timing import CALLS, SECONDS, WARM_UP, threads_rate, time_calls
from benchmarks.onet_crops import onet_crops
from mtcnn import TrtMtcnn
from mtcnn.params import Preset, make_params
from mtcnn.profiling import STAGES
from tests.gpu import frames
from tests.gpu.machine import (
    EMULATED,
    Variant,
    engines,
    free_gpu_memory,
    in_gpu_memory,
    in_pinned_memory,
    make_detector,
)
from tests.support.dlpack_array import Lender

PRESETS: tuple[Preset, ...] = ("fast",) if EMULATED else ("fast", "accurate", "port")
MINSIZE = 40
THREADS = (1, 2) if EMULATED else (1, 2, 4, 8)
BATCHES = (2,) if EMULATED else (1, 8, 32)


@contextmanager
def places(img: frames.Image) -> Iterator[dict[str, Any]]:
    """The picture in each kind of memory that a GPU takes it from."""
    if EMULATED:
        yield {"host": img}
        return
    with in_pinned_memory(img) as pinned, in_gpu_memory(np.ascontiguousarray(img)) as address:
        yield {"host": img, "pinned": pinned, "device": Lender(address, img.shape)}


def speed(flavour: str, precision: str) -> dict[str, Any]:
    variant = Variant(flavour, precision)
    engines(variant)  # so that memory for building is not counted
    before = 0 if EMULATED else free_gpu_memory()
    found: dict[str, Any] = {"latency": {}, "stages": {}, "floors": {}, "throughput": {}, "faces": {}, "failed": {}}
    rates = measure_rates()
    found["rates"] = {
        "upload_gb_s": rates.upload / 1e9,
        "memory_gb_s": rates.memory / 1e9,
        "gflop_s": rates.flops / 1e9,
    }
    large = frames.astronaut() if EMULATED else frames.frame_1080p()
    pictures = {"512x512, 1 face": large}
    if not EMULATED:
        pictures = {"1920x1080, 14 faces": large, "1280x720, 8 faces": frames.frame_720p()}
    size = "x".join(map(str, large.shape[1::-1]))

    def try_to(kind: str, name: str, measure: Callable[[], Any]) -> None:
        """One figure, or why there is none: the others are measured all the same."""
        try:
            found[kind][name] = measure()
        except Exception as error:
            found["failed"][f"{kind}: {name}"] = f"{type(error).__name__}: {error}"

    with make_detector(variant) as detector, places(large) as large_in, Clocks() as clocks:
        found["runtime"] = detector.runtime

        def detect(img: Any, preset: Preset) -> Callable[[], Any]:
            return lambda: detector.detect(img, MINSIZE, preset=preset)

        def detect_batch(img: Any, n: int) -> Callable[[], Any]:
            return lambda: detector.detect_batch([img] * n, MINSIZE, preset="fast")

        def batch_rate(img: Any, n: int) -> float:
            return round(1000 * n / time_calls(detect_batch(img, n), SECONDS / 2, 3)["median_ms"], 1)

        def time_groups(n: int, group: int) -> float:
            """Frames a second where the detector takes `group` at a time."""
            most = group * large.shape[0] * large.shape[1]
            with mock.patch.multiple("mtcnn.detector", GPU_BATCH_PIXELS=most, COPIED_BATCH_PIXELS=most):
                return batch_rate(large, n)

        # What is wanted most comes first, should the time run out.
        for place, img in large_in.items():
            try_to("latency", f"{size}, fast, {place}", lambda: time_calls(detect(img, "fast")))  # noqa: B023
        for place, img in large_in.items():
            for n in BATCHES:
                rate = f"{size}, detect_batch of {n}, {place}"
                try_to("throughput", rate, lambda: batch_rate(img, n))  # noqa: B023
            for n in THREADS:
                rate = f"{size}, {n} threads, {place}"
                try_to("throughput", rate, lambda: round(threads_rate(detect(img, "fast"), n, SECONDS / 2), 1))  # noqa: B023
        for name, img in pictures.items():
            try_to("faces", name, lambda: len(detector.detect(img, MINSIZE)[0]))  # noqa: B023
            for preset in PRESETS[:2]:
                try_to("stages", f"{name}, {preset}", lambda: time_stages(detector, img, preset))  # noqa: B023
                try_to("floors", f"{name}, {preset}", lambda: least_times(detector, img, preset, rates, precision))  # noqa: B023
            for preset in PRESETS:
                try_to("latency", f"{name}, {preset}", lambda: time_calls(detect(img, preset)))  # noqa: B023
        many, few = (2, 2) if EMULATED else (32, 8)
        for group in (1,) if EMULATED else (1, 4, 16):
            rate = f"{size}, detect_batch of {many}, {group} at a time"
            try_to("throughput", rate, lambda: time_groups(many, group))  # noqa: B023
        rate = f"{size}, 2 threads, each detect_batch of {few}"
        try_to("throughput", rate, lambda: round(few * threads_rate(detect_batch(large, few), 2, SECONDS / 2), 1))
        if not EMULATED:
            # Of one detector that as many threads have used at once.
            found["gpu_memory_mib_after_8_threads"] = (before - free_gpu_memory()) >> 20
    found["clocks"] = clocks.seen
    return found


def time_stages(detector: TrtMtcnn, img: frames.Image, preset: Preset) -> dict[str, float]:
    once = detector.profile(img, MINSIZE, preset=preset, repeats=max(1, WARM_UP)).total_ms
    repeats = max(1, min(CALLS, int(1000 * SECONDS / once)))
    profile = detector.profile(img, MINSIZE, preset=preset, repeats=repeats)
    return {stage: round(getattr(profile, f"{stage}_ms"), 4) for stage in STAGES}


def least_times(
    detector: TrtMtcnn, img: frames.Image, preset: Preset, rates: Rates, precision: str
) -> dict[str, float]:
    """What time_stages() measures, at best."""
    profile = detector.profile(img, MINSIZE, preset=preset, repeats=1)
    crops = profile.rnet_boxes, onet_crops(profile, make_params(preset, {}))
    return floors(rates, img.shape[:2], profile.levels, crops, precision == "fp16")
