"""Devices: where networks run."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from mtcnn.engines.libraries import openvino_library, tensorrt_libraries
from mtcnn.engines.settings import CPU, CUDA, RTX_CAPABILITIES, TENSORRT_FLAVOURS
from mtcnn.errors import DeviceError
from mtcnn.runtime import variables
from mtcnn.runtime.once import made_once

if TYPE_CHECKING:
    import pytrt

__all__ = [
    "cpu_device",
    "cpu_model",
    "cuda_device",
    "device_of_flavour",
    "gpu_flavour",
    "machine_flavour",
    "named_device",
    "tensorrt_flavour",
]


@made_once(maxsize=8)
def cpu_device(threads: int = 0) -> pytrt.CpuDevice:
    """The CPU; detectors with as many threads share one."""
    import pytrt

    try:
        openvino = openvino_library()
    except DeviceError:
        if variables.value_of(variables.OPENVINO):
            raise
        openvino = ""  # only networks of another architecture need it
    return pytrt.CpuDevice(openvino, threads)


@made_once(maxsize=8)
def cuda_device(flavour: str, ordinal: int = 0) -> pytrt.CudaDevice:
    """A GPU, its networks run by "tensorrt", "tensorrt-rtx" or, as "cuda", by kernels of our own.

    Raises:
        DeviceError: the GPU, its driver, TensorRT, or this build's support for them is missing.
    """
    import pytrt

    if flavour == CUDA:
        return pytrt.CudaDevice(ordinal=ordinal)
    libraries = tensorrt_libraries(flavour)
    return pytrt.CudaDevice(libraries.runtime, libraries.parser, ordinal)


def named_device(name: str) -> pytrt.Device:
    """The device of "cpu", "cuda", "cuda:N", or "auto", for any network: on a GPU TensorRT must be there to run it.

    Raises:
        DeviceError: as `tensorrt_flavour` and `cuda_device`.
    """
    if name.startswith("cuda"):
        return cuda_device(tensorrt_flavour(), int(name.partition(":")[2] or 0))
    if name == "auto":
        try:
            return cuda_device(tensorrt_flavour())
        except DeviceError:
            pass
    return cpu_device()


def device_of_flavour(flavour: str) -> pytrt.Device:
    """The device that engines of a flavour run on."""
    return cpu_device() if flavour == CPU else cuda_device(flavour)


def gpu_flavour() -> str:
    """The flavour that this machine's GPU detects with: TensorRT's where that is installed, else "cuda".

    Raises:
        DeviceError: none, and why.
    """
    _check_gpu()
    try:
        return tensorrt_flavour()
    except DeviceError:
        if variables.value_of(variables.TENSORRT):
            raise  # it was asked for
        return CUDA


def tensorrt_flavour() -> str:
    """The TensorRT flavour that this machine's GPU can use, for any network.

    Raises:
        DeviceError: none, and why.
    """
    import pytrt

    _check_gpu()
    if not pytrt.tensorrt_versions():
        raise DeviceError("this build was made without TensorRT's headers; see docs/tensorrt.md")
    reasons = []
    for flavour in TENSORRT_FLAVOURS:
        try:
            tensorrt_libraries(flavour)
        except DeviceError as error:
            reasons.append(str(error))
            continue
        if flavour == "tensorrt-rtx" and (capability := _first_capability()) not in RTX_CAPABILITIES:
            reasons.append(f"TensorRT-RTX is not made for this GPU, sm_{capability}")
            continue
        return flavour
    raise DeviceError(f"TensorRT is not installed: {'; '.join(reasons)}")


def _check_gpu() -> None:
    import pytrt

    problem, _, _ = pytrt.cuda_driver()
    if problem:
        raise DeviceError(problem)
    if not pytrt.has_cuda():
        raise DeviceError("this build has no CUDA kernels: it was built without nvcc; see docs/cuda.md")


def _first_capability() -> int:
    import pytrt

    _, _, gpus = pytrt.cuda_driver()
    major, minor = gpus[0][1]
    return 10 * major + minor


def machine_flavour() -> str:
    """What engines this machine can use best: those of its GPU, else "cpu"."""
    try:
        return gpu_flavour()
    except DeviceError:
        return CPU


def cpu_model() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
