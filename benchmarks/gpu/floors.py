"""The least time that each stage could take on a device: what it must compute and move, at the device's best rates."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tests.gpu.machine import EMULATED, cuda_driver_calls

# (kernel, channels in, channels out, pooling (window, stride) behind it), valid convolutions; as tools/make_models.py
# makes them.
Layer = tuple[int, int, int, tuple[int, int] | None]
PNET: list[Layer] = [(3, 3, 10, (2, 2)), (3, 10, 16, None), (3, 16, 32, None), (1, 32, 6, None)]
RNET: list[Layer] = [(3, 3, 28, (3, 2)), (3, 28, 48, (3, 2)), (2, 48, 64, None), (3, 64, 128, None), (1, 128, 6, None)]
ONET: list[Layer] = [
    (3, 3, 32, (3, 2)),
    (3, 32, 64, (3, 2)),
    (3, 64, 64, (2, 2)),
    (2, 64, 128, None),
    (3, 128, 256, None),
    (1, 256, 16, None),
]
# cudaDeviceAttr and CUdevice_attribute of cuda.h.
MULTIPROCESSORS, CLOCK_KHZ, MAJOR, MINOR = 16, 13, 75, 76
FLOAT_LANES = {(7, 5): 64, (8, 0): 64}  # float32 units of a multiprocessor; 128 from 8.6 on


class Rates(NamedTuple):
    """Bytes a second from pinned host memory to the device and within the device; float32 operations a second."""

    upload: float
    memory: float
    flops: float


class Work(NamedTuple):
    """What a stage cannot do without."""

    uploaded: float = 0  # bytes
    moved: float = 0  # bytes
    flops: float = 0


def flops(layers: Sequence[Layer], height: int, width: int) -> float:
    """Operations of a network on one picture, two for each multiplication and addition."""
    total = 0.0
    for kernel, before, after, pool in layers:
        height, width = height - kernel + 1, width - kernel + 1
        total += 2.0 * kernel * kernel * before * after * height * width
        if pool:
            window, stride = pool
            height, width = (-(-(n - window) // stride) + 1 for n in (height, width))
    return total


def floors(
    rates: Rates,
    size: tuple[int, int],
    levels: Sequence[tuple[int, int]],
    crops: tuple[int, int],
    half: bool,
) -> dict[str, float]:
    """Milliseconds by stage.

    Args:
        size: of the frame, (height, width).
        levels: of its pyramid, (height, width) each.
        crops: how many R-Net and O-Net saw, mirror images and the second pass included.
        half: float16, of whose rate nothing is assumed: its floors are those of memory.
    """
    frame = 3.0 * size[0] * size[1]
    canvas = sum(4.0 * 3 * h * w for h, w in levels)
    work = {
        "load": Work(uploaded=frame),
        # The frame is read, the canvas written and read.
        "pnet": Work(moved=frame + 2 * canvas, flops=sum(flops(PNET, h, w) for h, w in levels)),
        "rnet": Work(moved=crops[0] * 2 * 4.0 * 3 * 24 * 24, flops=crops[0] * flops(RNET, 24, 24)),
        "onet": Work(moved=crops[1] * 2 * 4.0 * 3 * 48 * 48, flops=crops[1] * flops(ONET, 48, 48)),
    }
    return {
        stage: round(
            1000 * max(w.uploaded / rates.upload, w.moved / rates.memory, 0 if half else w.flops / rates.flops), 5
        )
        for stage, w in work.items()
    }


def measure_rates() -> Rates:
    return _cpu_rates() if EMULATED else _gpu_rates()


def _gpu_rates(size: int = 256 << 20) -> Rates:
    """Copies timed; the arithmetic from what the driver says of the GPU."""
    with cuda_driver_calls() as call:
        pinned = ctypes.c_void_p()
        device, other = ctypes.c_uint64(), ctypes.c_uint64()
        call("cuMemHostAlloc", ctypes.byref(pinned), ctypes.c_size_t(size), 0)
        call("cuMemAlloc_v2", ctypes.byref(device), ctypes.c_size_t(size))
        call("cuMemAlloc_v2", ctypes.byref(other), ctypes.c_size_t(size))

        def upload() -> None:
            call("cuMemcpyHtoD_v2", device, pinned, ctypes.c_size_t(size))
            call("cuCtxSynchronize")

        def copy() -> None:
            call("cuMemcpyDtoD_v2", other, device, ctypes.c_size_t(size))
            call("cuCtxSynchronize")

        def attribute(which: int) -> int:
            value = ctypes.c_int()
            call("cuDeviceGetAttribute", ctypes.byref(value), which, 0)
            return value.value

        try:
            lanes = FLOAT_LANES.get((attribute(MAJOR), attribute(MINOR)), 128)
            peak = 2.0 * lanes * attribute(MULTIPROCESSORS) * 1000 * attribute(CLOCK_KHZ)
            return Rates(size / _best(upload), 2 * size / _best(copy), peak)
        finally:
            call("cuMemFree_v2", device)
            call("cuMemFree_v2", other)
            call("cuMemFreeHost", pinned)


def _cpu_rates(size: int = 64 << 20) -> Rates:
    source, target = np.ones(size, np.uint8), np.ones(size, np.uint8)
    matrix = np.ones((1024, 1024), np.float32)
    copying = size / _best(lambda: np.copyto(target, source))
    return Rates(copying, 2 * copying, 2 * 1024**3 / _best(lambda: matrix @ matrix))


def _best(work: object, times: int = 10) -> float:
    assert callable(work)
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
