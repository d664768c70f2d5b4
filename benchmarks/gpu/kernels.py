"""Each kernel of real detections: what the GPU takes for it, beside its floor and what the cost model reckons.

Detections run without CUDA graphs, each launch between two events, the stream held up until all are enqueued
(csrc/cuda/stream_timer.h). An event costs about as much as the smallest kernel: KeepLargerCount, which does next to
nothing, tells how much. On the model of a GPU, which takes no time, the launches are counted alone.
"""

from __future__ import annotations

from statistics import median
from typing import Any
from unittest import mock

from benchmarks.gpu.clocks import Clocks
from benchmarks.gpu.cost import GPUS, WARP, Gpu
from benchmarks.gpu.floors import FLOAT_LANES, measure_rates
from benchmarks.gpu.model import COPIES, MINSIZE, Call, facts_of, rows_of
from mtcnn import TrtMtcnn
from mtcnn.params import Preset
from pytrt.testing import EmulatedGpu, start_launch_trace, take_launch_trace
from tests.gpu import frames
from tests.gpu.machine import EMULATED, Variant, capability, cuda_attribute, make_detector
from tests.support.emulated import emulated_gpu, kernel_detector

CASES: tuple[tuple[int, Preset], ...] = ((1, "fast"),) if EMULATED else ((1, "fast"), (1, "accurate"), (8, "fast"))
REPEATS, WARM_UP = (1, 1) if EMULATED else (20, 4)
MULTIPROCESSORS, CLOCK_KHZ, THREADS_A_MULTIPROCESSOR = 16, 13, 39  # CUdevice_attribute of cuda.h
Timed = tuple[str, str, int, float | None]


def kernels(flavour: str, precision: str) -> dict[str, Any]:
    gpu = GPUS["h200"] if EMULATED else this_gpu()
    img = frames.astronaut() if EMULATED else frames.frame_1080p()
    size = "x".join(map(str, img.shape[1::-1]))
    found: dict[str, Any] = {"gpu": gpu._asdict(), "frames": {}, "failed": {}}
    with detector_of(Variant(flavour, precision)) as detector, Clocks() as clocks:
        for batch, preset in CASES:
            name = f"{batch} of {size}, {preset}"
            try:
                found["frames"][name] = measured(detector, [img] * batch, preset, gpu)
            except Exception as error:  # the others are measured all the same
                found["failed"][name] = f"{type(error).__name__}: {error}"
    found["clocks"] = clocks.seen
    return found


def detector_of(variant: Variant) -> TrtMtcnn:
    """On the model of a GPU where the GPU is emulated: only that notes what it is asked for."""
    if not EMULATED:
        return make_detector(variant)
    gpu = emulated_gpu("asynchronous", memory=4 << 30, kernels=True)
    return kernel_detector("asynchronous", gpu, precision=variant.precision)


def this_gpu() -> Gpu:
    """The GPU under test: its memory as measured, the rest from what the driver says of it."""
    lanes = FLOAT_LANES.get(capability(), 128)
    clock = cuda_attribute(CLOCK_KHZ) / 1e6
    warps = cuda_attribute(THREADS_A_MULTIPROCESSOR) // WARP
    return Gpu(cuda_attribute(MULTIPROCESSORS), clock, lanes, measure_rates().memory, warps)


def measured(detector: TrtMtcnn, images: list[frames.Image], preset: Preset, gpu: Gpu) -> list[dict[str, Any]]:
    """A row for each kernel and kind of copy of one call."""
    calls = [timed_call(detector, images, preset) for _ in range(WARM_UP + REPEATS)][WARM_UP:]
    facts = facts_of(images[0], len(images), preset)
    plain: list[Call] = [(kind, name, amount) for kind, name, amount, _ in calls[-1]]
    rows = []
    for row in rows_of(plain, facts, gpu):
        of_it = [[us for kind, name, _, us in call if (kind, name) == (row.kind, row.name)] for call in calls]
        sums = [sum(us for us in one if us is not None) for one in of_it if one and None not in one]
        rows.append(
            {
                "kind": row.kind,
                "name": row.name,
                "launches": row.launches,
                "amount": row.threads,
                "us": round(median(sums) / row.launches, 3) if sums else None,
                "least_us": round(min(sums) / row.launches, 3) if sums else None,
                "floor_us": None if row.floor is None else round(row.floor / row.launches, 3),
                "reckoned_us": None if row.reckoned is None else round(row.reckoned / row.launches, 3),
                "bytes": row.bytes,
                "flop": row.flop,
            }
        )
    waits = sum(kind == "wait" for kind, _, _, _ in calls[-1])
    rows.append({"kind": "wait", "name": "", "launches": waits, "amount": 0, "us": None, "floor_us": None})
    return rows


def timed_call(detector: TrtMtcnn, images: list[frames.Image], preset: Preset) -> list[Timed]:
    """What one call asks of the GPU, and the microseconds of each; None on the model of a GPU."""
    device = detector._device
    emulated = device if isinstance(device, EmulatedGpu) else None
    # A batch at once, however large the pictures.
    at_once = mock.patch("mtcnn.detector.COPIED_BATCH_PIXELS", 17_000_000)
    with at_once, mock.patch.object(TrtMtcnn, "_batch_pixels", lambda self: 17_000_000):
        emulated.start_trace() if emulated else start_launch_trace()
        try:
            detector.detect_batch(images, MINSIZE, preset=preset)
        finally:
            calls: list[Timed] = [(*call, None) for call in emulated.trace()] if emulated else list(take_launch_trace())
    return [call for call in calls if call[0] in ("kernel", "network", "wait", *COPIES)]
