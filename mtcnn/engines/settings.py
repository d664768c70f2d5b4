"""How engines are built: the flavours (what an engine runs on) and TensorRT's settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from mtcnn import checks
from mtcnn.engines.networks import ALL_ARCHITECTURES, CELL

__all__ = [
    "CPU",
    "CUDA",
    "DETECTOR_PRECISIONS",
    "FLAVOURS",
    "PRECISIONS",
    "RTX_CAPABILITIES",
    "TENSORRT_FLAVOURS",
    "BuildSettings",
    "Precision",
    "Profile",
    "Report",
    "Shape",
    "parse_target",
]

TENSORRT_FLAVOURS = ("tensorrt", "tensorrt-rtx")  # the better first
CUDA = "cuda"  # a GPU without TensorRT: kernels of our own
CPU = "cpu"
FLAVOURS = (CPU, *TENSORRT_FLAVOURS, CUDA)
RTX_CAPABILITIES = (75, 80, 86, 89, 120, 121)  # that TensorRT-RTX is made for
PRECISIONS = ("fp32", "fp16", "bf16")
Precision = Literal["fp32", "bf16", "fp16", "auto"]  # that a detector can be asked for
DETECTOR_PRECISIONS = get_args(Precision)

Shape = tuple[int, int, int, int]
Profile = tuple[Shape, Shape, Shape]  # min, opt, max, as TensorRT has them

# What is being done, the steps of it that are done, and those due.
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BuildSettings:
    """How TensorRT builds.

    Attributes:
        pnet_size: (height, width) of the largest canvas P-Net accepts, or one number for a square.
        pnet_batch, rnet_batch, onet_batch, lnet_batch: (opt, max) batch of each network: the one it is tuned for,
            the largest.
        workspace: bytes that a build may use for scratch; 0: TensorRT's default. Retried with less where
            the GPU runs out of memory.
        optimization_level: 0 (quick to build) to 5 (quick to run); -1: TensorRT's default.
        targets: compute capabilities (86, 89) to build for; TensorRT-RTX only. Empty: this machine's GPU,
            or all that TensorRT-RTX supports.
        gpu: which of this machine's GPUs TensorRT builds on, and for; 0 is the first.
        timing_cache: file that keeps TensorRT's measurements for the next build; None: not kept.
        channels_last: the model's input is (n, h, w, 3).
    """

    pnet_size: tuple[int, int] = (1280, 1280)
    pnet_batch: tuple[int, int] = (1, 8)
    rnet_batch: tuple[int, int] = (64, 256)
    onet_batch: tuple[int, int] = (16, 64)
    lnet_batch: tuple[int, int] = (16, 64)
    workspace: int = 0
    optimization_level: int = -1
    targets: tuple[int, ...] = ()
    gpu: int = 0
    timing_cache: Path | None = field(default=None, compare=False)
    channels_last: bool = False

    def __post_init__(self) -> None:
        for name in ("pnet_size", "pnet_batch", "rnet_batch", "onet_batch", "lnet_batch"):
            is_size = name == "pnet_size"
            expected = f"{name} must be a tuple of two whole numbers, {'(height, width)' if is_size else '(opt, max)'}"
            found = checks.pair(getattr(self, name), expected, one_is_both=is_size)
            plain = tuple(checks.whole(value, f"{name}[{i}]", 0, 1 << 20) for i, value in enumerate(found))
            object.__setattr__(self, name, plain)
        if min(self.pnet_size) < CELL:
            raise ValueError(f"pnet_size must be at least {CELL} x {CELL}, got {self.pnet_size}")
        for name in ("pnet_batch", "rnet_batch", "onet_batch", "lnet_batch"):
            opt, most = getattr(self, name)
            if not 1 <= opt <= most:
                raise ValueError(f"{name} must be (opt, max) with 1 <= opt <= max, got {(opt, most)}")
        for name, low, high in (("workspace", 0, 1 << 50), ("optimization_level", -1, 5), ("gpu", 0, 9999)):
            object.__setattr__(self, name, checks.whole(getattr(self, name), name, low, high))
        if not isinstance(self.targets, tuple):
            raise TypeError(f"targets must be a tuple of compute capabilities like (86, 89), got {self.targets!r}")
        targets = tuple(checks.whole(target, f"targets[{i}]", 10, 999) for i, target in enumerate(self.targets))
        object.__setattr__(self, "targets", targets)

    def profile(self, network: str) -> Profile:
        """The shapes that a network's engine accepts: the smallest, the one it is tuned for, the largest."""
        smallest, opt, largest = self._nchw(network)
        if not self.channels_last:
            return smallest, opt, largest
        return _nhwc(smallest), _nhwc(opt), _nhwc(largest)

    def _nchw(self, network: str) -> Profile:
        opt, most = getattr(self, f"{network}_batch")
        side, channels = ALL_ARCHITECTURES[network].side, ALL_ARCHITECTURES[network].channels
        if side is None:
            height, width = self.pnet_size
            # What the pyramid of a 1080p picture packs into at minsize 40, where that fits.
            return (1, 3, CELL, CELL), (opt, 3, min(height, 640), min(width, 768)), (most, 3, height, width)
        return (1, channels, side, side), (opt, channels, side, side), (most, channels, side, side)


def _nhwc(shape: Shape) -> Shape:
    n, c, h, w = shape
    return n, h, w, c


def parse_target(text: str) -> int:
    """ "sm_86" or "8.6" as 86."""
    match = re.fullmatch(r"(?:sm_?)?(\d{2,3})", text.strip().lower()) or re.fullmatch(r"(\d{1,2})\.(\d)", text.strip())
    if not match:
        raise ValueError(f"target must be like sm_86 or 8.6, got {text!r}")
    return int("".join(match.groups()))
