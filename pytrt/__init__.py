"""Cython over the C++ core. Most programs want the package `mtcnn` on top of it.

The native module is loaded when a name of it is first used: the commands start here, and `--help` needs no NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytrt.exceptions import BuildCancelled as BuildCancelled
from pytrt.exceptions import ClosedError as ClosedError
from pytrt.exceptions import DeviceError as DeviceError
from pytrt.exceptions import EngineError as EngineError
from pytrt.exceptions import MtcnnError as MtcnnError
from pytrt.import_name import no_native_module, require_own_mtcnn
from pytrt.versions import __version__ as __version__

if TYPE_CHECKING:
    from pytrt._pytrt import BuildProgress as BuildProgress
    from pytrt._pytrt import CpuDevice as CpuDevice
    from pytrt._pytrt import CudaDevice as CudaDevice
    from pytrt._pytrt import Device as Device
    from pytrt._pytrt import Engine as Engine
    from pytrt._pytrt import PyTrtMtcnn as PyTrtMtcnn
    from pytrt._pytrt import Stages as Stages
    from pytrt._pytrt import TensorRt as TensorRt
    from pytrt._pytrt import bf16_kernels as bf16_kernels
    from pytrt._pytrt import crop_resize as crop_resize
    from pytrt._pytrt import cuda_driver as cuda_driver
    from pytrt._pytrt import from_dlpack as from_dlpack
    from pytrt._pytrt import has_cuda as has_cuda
    from pytrt._pytrt import isa as isa
    from pytrt._pytrt import kernel_network as kernel_network
    from pytrt._pytrt import nms as nms
    from pytrt._pytrt import propose as propose
    from pytrt._pytrt import resize as resize
    from pytrt._pytrt import tensorrt_versions as tensorrt_versions
    from pytrt._pytrt import usable_cores as usable_cores
    from pytrt._pytrt import warp_affine as warp_affine

require_own_mtcnn()  # PyTrtMtcnn and the commands need it

__all__ = [
    "BuildCancelled",
    "BuildProgress",
    "ClosedError",
    "CpuDevice",
    "CudaDevice",
    "Device",
    "DeviceError",
    "Engine",
    "EngineError",
    "MtcnnError",
    "PyTrtMtcnn",
    "Stages",
    "TensorRt",
    "bf16_kernels",
    "crop_resize",
    "cuda_driver",
    "from_dlpack",
    "has_cuda",
    "isa",
    "kernel_network",
    "nms",
    "propose",
    "resize",
    "tensorrt_versions",
    "usable_cores",
    "warp_affine",
]


_TESTING = ("EmulatedGpu", "halve", "pack_levels")  # at home in pytrt.testing; once here, too


if not TYPE_CHECKING:  # to which any name would be there

    def __getattr__(name: str) -> Any:
        if name not in __all__ and name not in _TESTING:
            raise AttributeError(f"module 'pytrt' has no attribute {name!r}")
        # First: where a subinterpreter refuses it, ours is not begun there, which no other interpreter could load then.
        import numpy  # noqa: F401

        try:
            from pytrt import _pytrt
        except ImportError as error:
            if error.name != __name__:  # it is there, and cannot be loaded
                raise
            raise ImportError(no_native_module(__path__), name=__name__) from None

        globals().update({known: getattr(_pytrt, known) for known in __all__ if known not in globals()})
        return getattr(_pytrt, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
