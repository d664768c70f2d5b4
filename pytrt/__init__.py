"""Cython over the C++ core. Most programs want the package `mtcnn` on top of it."""

from pytrt.import_name import require_own_mtcnn

require_own_mtcnn()  # the native module raises the errors of mtcnn

from pytrt._pytrt import (  # noqa: E402
    BuildCancelled,
    BuildProgress,
    CpuDevice,
    CudaDevice,
    Device,
    EmulatedGpu,
    Engine,
    PyTrtMtcnn,
    Stages,
    TensorRt,
    crop_resize,
    cuda_driver,
    halve,
    has_cuda,
    isa,
    nms,
    pack_levels,
    propose,
    resize,
    tensorrt_versions,
    warp_affine,
)

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
    "warp_affine",
]
