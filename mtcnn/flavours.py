"""Flavours: what an engine runs on, and how it is made for it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mtcnn import checks
from mtcnn.errors import DeviceError, EngineError
from mtcnn.files import replacing
from mtcnn.runtimes import tensorrt_libraries

if TYPE_CHECKING:
    import pytrt

__all__ = [
    "CPU",
    "FLAVOURS",
    "TENSORRT_FLAVOURS",
    "BuildSettings",
    "Built",
    "build_tensorrt",
    "parse_target",
    "tensorrt",
    "tensorrt_version",
]

TENSORRT_FLAVOURS = ("tensorrt", "tensorrt-rtx")  # the better first
CPU = "cpu"
FLAVOURS = (CPU, *TENSORRT_FLAVOURS)

T = TypeVar("T")
Shape = tuple[int, int, int, int]
Profile = tuple[Shape, Shape, Shape]  # least, best, greatest

# What is being done, the steps of it that are done, and those due.
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BuildSettings:
    """How TensorRT builds.

    Attributes:
        pnet_size: (height, width) of the largest canvas P-Net accepts.
        pnet_batch, rnet_batch, onet_batch: (best, greatest) batch of each network.
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
    workspace: int = 0
    optimization_level: int = -1
    targets: tuple[int, ...] = ()
    gpu: int = 0
    timing_cache: Path | None = field(default=None, compare=False)
    channels_last: bool = False

    def __post_init__(self) -> None:
        for name in ("pnet_size", "pnet_batch", "rnet_batch", "onet_batch"):
            value = getattr(self, name)
            if not isinstance(value, tuple) or len(value) != 2:
                raise TypeError(f"{name} must be a tuple of two whole numbers, got {value!r}")
            for i in range(2):
                checks.whole(value[i], f"{name}[{i}]", 0, 1 << 20)
        if min(self.pnet_size) < 12:
            raise ValueError(f"pnet_size must be at least 12 x 12, got {self.pnet_size}")
        for name in ("pnet_batch", "rnet_batch", "onet_batch"):
            best, most = getattr(self, name)
            if not 1 <= best <= most:
                raise ValueError(f"{name} must be (best, greatest) with 1 <= best <= greatest, got {(best, most)}")
        checks.whole(self.workspace, "workspace", 0, 1 << 50)
        checks.whole(self.optimization_level, "optimization_level", -1, 5)
        checks.whole(self.gpu, "gpu", 0, 9999)
        if not isinstance(self.targets, tuple):
            raise TypeError(f"targets must be a tuple of compute capabilities like (86, 89), got {self.targets!r}")
        for i, target in enumerate(self.targets):
            checks.whole(target, f"targets[{i}]", 10, 999)

    def profile(self, network: str) -> Profile:
        """The shapes that a network's engine accepts, and the one it is tuned for."""
        least, best, most = self._nchw(network)
        if not self.channels_last:
            return least, best, most
        return _last(least), _last(best), _last(most)

    def _nchw(self, network: str) -> Profile:
        if network == "pnet":
            height, width = self.pnet_size
            best, most = self.pnet_batch
            # What the pyramid of a 1080p picture packs into at minsize 40, where that fits.
            return (1, 3, 12, 12), (best, 3, min(height, 640), min(width, 768)), (most, 3, height, width)
        side = 24 if network == "rnet" else 48
        best, most = self.rnet_batch if network == "rnet" else self.onet_batch
        return (1, 3, side, side), (best, 3, side, side), (most, 3, side, side)


def _last(shape: Shape) -> Shape:
    n, c, h, w = shape
    return n, h, w, c


class _Progress(Protocol):
    """pytrt.BuildProgress and its like."""

    def phases(self) -> list[tuple[str, int, int]]: ...
    def cancel(self) -> None: ...


@dataclass(frozen=True)
class Built:
    """An engine and what its description says beside the common."""

    engine: bytes
    version: str
    details: dict[str, Any]


def parse_target(text: str) -> int:
    """ "sm_86" or "8.6" as 86."""
    match = re.fullmatch(r"(?:sm_?)?(\d{2,3})", text.strip().lower()) or re.fullmatch(r"(\d{1,2})\.(\d)", text.strip())
    if not match:
        raise ValueError(f"target must be like sm_86 or 8.6, got {text!r}")
    return int("".join(match.groups()))


def tensorrt(flavour: str) -> pytrt.TensorRt:
    """The TensorRT of a flavour.

    Raises:
        DeviceError: it is not installed, or this build was made without its headers.
    """
    import pytrt

    libraries = tensorrt_libraries(flavour)
    return pytrt.TensorRt(libraries.runtime, libraries.parser)


def tensorrt_version(flavour: str) -> str:
    """The version of the TensorRT that is installed."""
    return tensorrt(flavour).version


def build_tensorrt(
    flavour: str, network: str, model: bytes, settings: BuildSettings, report: Report | None = None
) -> Built:
    """Build a plan from an ONNX model.

    The build runs in a thread of its own, so that Ctrl-C stops it at its next step.

    Raises:
        EngineError: TensorRT refuses the model or the settings, in its own words.
        DeviceError: there is no TensorRT, no driver or no GPU that it can use.
    """
    import pytrt

    problem, _, gpus = pytrt.cuda_driver()
    if flavour == "tensorrt" and problem:
        raise DeviceError(
            f"TensorRT builds engines only on a machine with the GPU they are for: {problem}. "
            "TensorRT-RTX builds without one: --flavour tensorrt-rtx"
        )
    profile = settings.profile(network)
    details: dict[str, Any] = {"profile": [list(shape) for shape in profile]}
    if settings.targets:
        return _build_for_targets(network, model, settings, details, report)
    if gpus and settings.gpu >= len(gpus):
        raise DeviceError(f"there is no GPU {settings.gpu}: this machine has {len(gpus)}")
    library = tensorrt(flavour)
    cache = _read_cache(settings.timing_cache)
    progress = pytrt.BuildProgress()

    def build() -> tuple[bytes, bytes]:
        return library.build(
            model,
            [profile],
            workspace=settings.workspace,
            optimization_level=settings.optimization_level,
            timing_cache=cache,
            gpu=settings.gpu if gpus else -1,
            progress=progress,
        )

    plan, cache = _in_thread(build, progress, network, report)
    if cache and settings.timing_cache:
        _write_cache(settings.timing_cache, cache)
    if gpus:
        name, capability, _ = gpus[settings.gpu]
        details["gpu"] = name
        details["compute_capability"] = list(capability)
    return Built(plan, library.version, details)


def _build_for_targets(
    network: str, model: bytes, settings: BuildSettings, details: dict[str, Any], report: Report | None
) -> Built:
    try:
        from mtcnn import rtx_targets
    except ImportError as error:
        raise DeviceError(
            f"building for other GPUs needs TensorRT-RTX's Python package ({error}): "
            "pip install 'trt-mtcnn[tensorrt-rtx]'"
        ) from error
    monitor = rtx_targets.Monitor()
    plan = _in_thread(
        lambda: rtx_targets.build(model, settings.profile(network), settings, monitor), monitor, network, report
    )
    return Built(plan, rtx_targets.version(), details | {"targets": list(settings.targets)})


def _in_thread(build: Callable[[], T], progress: _Progress, network: str, report: Report | None) -> T:
    outcome: list[T | BaseException] = []
    # Thread.join() is not to be trusted once Ctrl-C has interrupted it: before Python 3.13 it then takes a thread
    # that is running for one that has ended, and the interpreter would leave while TensorRT works.
    ended = threading.Event()

    def work() -> None:
        try:
            outcome.append(build())
        except BaseException as error:
            outcome.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=work, name=f"build-{network}")
    try:
        thread.start()
        while not ended.wait(0.02):
            if report:
                for name, done, steps in progress.phases()[:1]:
                    report(f"{network}: {name}", done, steps)
    except BaseException:  # Ctrl-C
        progress.cancel()
        if thread.ident is not None:
            ended.wait()
        raise
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


def _read_cache(path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path else b""
    except OSError:
        return b""  # a build without it is only slower


def _write_cache(path: Path, cache: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(cache)
    except OSError as error:
        raise EngineError(f"cannot write the timing cache {path}: {error.strerror or error}") from error
