"""Cython over the C++ core. Most programs want the package `mtcnn` on top of it.

The native module is loaded when a name of it is first used: the commands start here, and `--help` needs no NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytrt.import_name import require_own_mtcnn

if TYPE_CHECKING:
    from pytrt._pytrt import BuildCancelled as BuildCancelled
    from pytrt._pytrt import BuildProgress as BuildProgress
    from pytrt._pytrt import CpuDevice as CpuDevice
    from pytrt._pytrt import CudaDevice as CudaDevice
    from pytrt._pytrt import Device as Device
    from pytrt._pytrt import EmulatedGpu as EmulatedGpu
    from pytrt._pytrt import Engine as Engine
    from pytrt._pytrt import PyTrtMtcnn as PyTrtMtcnn
    from pytrt._pytrt import Stages as Stages
    from pytrt._pytrt import TensorRt as TensorRt
    from pytrt._pytrt import crop_resize as crop_resize
    from pytrt._pytrt import cuda_driver as cuda_driver
    from pytrt._pytrt import halve as halve
    from pytrt._pytrt import has_cuda as has_cuda
    from pytrt._pytrt import isa as isa
    from pytrt._pytrt import nms as nms
    from pytrt._pytrt import pack_levels as pack_levels
    from pytrt._pytrt import propose as propose
    from pytrt._pytrt import resize as resize
    from pytrt._pytrt import tensorrt_versions as tensorrt_versions
    from pytrt._pytrt import usable_cores as usable_cores
    from pytrt._pytrt import warp_affine as warp_affine

require_own_mtcnn()  # the native module raises the errors of mtcnn

__all__ = [
    "BuildCancelled",
    "BuildProgress",
    "CpuDevice",
    "CudaDevice",
    "Device",
    "EmulatedGpu",
    "Engine",
    "PyTrtMtcnn",
    "Stages",
    "TensorRt",
    "crop_resize",
    "cuda_driver",
    "halve",
    "has_cuda",
    "isa",
    "nms",
    "pack_levels",
    "propose",
    "resize",
    "tensorrt_versions",
    "usable_cores",
    "warp_affine",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pytrt' has no attribute {name!r}")
    from pytrt import _pytrt

    globals().update({known: getattr(_pytrt, known) for known in __all__})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
