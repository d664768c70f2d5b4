"""Cython over the C++ core. Most programs want the package `mtcnn` on top of it."""

from pytrt._pytrt import (
    CpuDevice,
    Device,
    Engine,
    PyTrtMtcnn,
    Stages,
    crop_resize,
    halve,
    isa,
    nms,
    pack_levels,
    propose,
    resize,
    warp_affine,
)

__all__ = [
    "CpuDevice",
    "Device",
    "Engine",
    "PyTrtMtcnn",
    "Stages",
    "crop_resize",
    "halve",
    "isa",
    "nms",
    "pack_levels",
    "propose",
    "resize",
    "warp_affine",
]
