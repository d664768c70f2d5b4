"""TensorRT and TensorRT-RTX: what is installed, and plans built from ONNX models."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mtcnn.engines.libraries import tensorrt_libraries
from mtcnn.engines.settings import BuildSettings, Report
from mtcnn.engines.timing_cache import read_timing_cache, write_timing_cache
from mtcnn.errors import DeviceError
from mtcnn.runtime.install import install_command
from mtcnn.runtime.threads import starting_threads

if TYPE_CHECKING:
    import pytrt

__all__ = ["Built", "build_tensorrt", "tensorrt", "tensorrt_version"]

T = TypeVar("T")


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
    cache = read_timing_cache(settings.timing_cache)
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
        write_timing_cache(settings.timing_cache, cache)
    if gpus:
        name, capability, _ = gpus[settings.gpu]
        details["gpu"] = name
        details["compute_capability"] = list(capability)
    return Built(plan, library.version, details)


def _build_for_targets(
    network: str, model: bytes, settings: BuildSettings, details: dict[str, Any], report: Report | None
) -> Built:
    try:
        from mtcnn.engines import rtx_targets
    except ImportError as error:
        raise DeviceError(
            f"building for other GPUs needs TensorRT-RTX's Python package ({error}): {install_command('tensorrt-rtx')}"
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
        with starting_threads("end other work"):
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
