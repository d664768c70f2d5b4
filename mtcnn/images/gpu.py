"""Pictures in a GPU's memory, by DLPack or the CUDA array interface."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from mtcnn.images.shapes import wrong_shape

__all__ = ["READABLE", "check_gpu_picture", "dlpack_device", "is_on_gpu"]

# Kinds of device in DLPack: https://dmlc.github.io/dlpack/latest/c_api.html
_CPU = 1
_CUDA = (2, 13)  # 13: managed, the CPU's as well
READABLE = (_CPU, 3, 13)  # 3: pinned for CUDA


def is_on_gpu(img: object) -> bool:
    """Whether ``img`` lies in an NVIDIA GPU's memory (torch, CuPy), by DLPack or the CUDA array interface."""
    if isinstance(img, np.ndarray):
        return False
    if (device := dlpack_device(img)) is not None:
        return device in _CUDA
    return getattr(img, "__cuda_array_interface__", None) is not None


def check_gpu_picture(img: Any, name: str = "img", color: str = "bgr") -> None:
    """Raise ValueError unless a picture on a GPU is BGR (H, W, 3); the native core checks the rest."""
    shape = tuple(getattr(img, "shape", ()))
    if len(shape) != 3 or shape[2] != 3 or min(shape) < 1:
        raise ValueError(wrong_shape(shape, name, hasattr(img, "permute"), on_gpu=True))
    if color == "rgb":
        mend = f"{name}.flip(-1)" if hasattr(img, "flip") else f"{name}[:, :, ::-1].copy()"
        raise ValueError(f'{name} is on a GPU, which takes color="bgr": swap its channels there, {mend}')
    if color != "bgr":
        raise ValueError(f"color must be 'bgr' or 'rgb', got {color!r}")


def dlpack_device(img: object) -> int | None:
    """DLPack's number for the kind of device; None where ``img`` does not speak DLPack."""
    ask = getattr(img, "__dlpack_device__", None)
    if not callable(ask) or not hasattr(img, "__dlpack__"):
        return None
    device = ask()
    try:
        kind, number = device
        operator.index(number)
        return operator.index(kind)
    except (TypeError, ValueError):
        raise TypeError(f"img.__dlpack_device__() must give (type, number), got {device!r}") from None
