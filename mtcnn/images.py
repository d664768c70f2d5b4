"""The one rule by which a picture becomes what the native core reads: BGR uint8 (H, W, 3)."""

from __future__ import annotations

import math
import operator
import os
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

__all__ = ["as_bgr", "check_gpu_shape", "is_on_gpu"]

MOST_PIXELS = 1 << 30  # of a picture that is converted, which copies it

_UINT8 = np.dtype(np.uint8)
# Kinds of device in DLPack: https://dmlc.github.io/dlpack/latest/c_api.html
_CPU = 1
_CUDA = (2, 13)  # 13: managed, the CPU's as well
_READABLE = (_CPU, 3, 13)  # 3: pinned for CUDA


def as_bgr(img: npt.NDArray[Any], name: str = "img") -> npt.NDArray[np.uint8]:
    """Return ``img`` as BGR uint8 (H, W, 3) whose pixels lie side by side in each row.

    - uint8 (H, W, 3) with pixel-contiguous rows comes back as is, uncopied; read-only arrays and crops too.
      Any other stride (flipped, transposed, every second column) is copied once.
    - Gray, (H, W) or (H, W, 1), is repeated in the three channels. Of BGRA, (H, W, 4), alpha is dropped.
    - Floats are levels in 0..255: rounded half up and clipped.
    - Other integers are taken where all values lie in 0..255.
    - What speaks DLPack and lies in the CPU's memory (a torch tensor) is viewed, and then treated as an array.

    Args:
        img: the picture, as ``cv2.imread`` returns it.
        name: what to call the argument in an error.

    Raises:
        TypeError: not an array, or of a dtype that holds no pixels (bool, complex, object, str).
        ValueError: an empty picture, a wrong shape, NaN or infinity, levels outside 0..255, floats in 0..1.
    """
    if isinstance(img, np.ndarray):
        shape = img.shape
        if img.dtype == _UINT8 and len(shape) == 3 and shape[2] == 3:
            row, pixel, channel = img.strides
            if channel == 1 and pixel == 3 and row >= 3 * shape[1] > 0 and shape[0] > 0:
                return img
        return _convert(img, name)
    if _dlpack_device(img) in _READABLE:
        return as_bgr(_from_dlpack(img, name), name)
    _refuse(img, name)


def is_on_gpu(img: object) -> bool:
    """Whether ``img`` lies in an NVIDIA GPU's memory (torch, CuPy), by DLPack or the CUDA array interface."""
    if isinstance(img, np.ndarray):
        return False
    if (device := _dlpack_device(img)) is not None:
        return device in _CUDA
    return getattr(img, "__cuda_array_interface__", None) is not None


def check_gpu_shape(img: Any, name: str = "img") -> None:
    """Raise ValueError unless a picture on a GPU has the shape (H, W, 3); the native core checks the rest."""
    shape = tuple(getattr(img, "shape", ()))
    if len(shape) != 3 or shape[2] != 3 or min(shape) < 1:
        raise ValueError(f"{name} is on a GPU, where it must have the shape (H, W, 3), got {shape}")


def _dlpack_device(img: object) -> int | None:
    """DLPack's number for the kind of device; None where ``img`` does not speak DLPack."""
    ask = getattr(img, "__dlpack_device__", None)
    if ask is None or not hasattr(img, "__dlpack__"):
        return None
    device = ask()
    try:
        kind, number = device
        operator.index(number)
        return operator.index(kind)
    except (TypeError, ValueError):
        raise TypeError(f"img.__dlpack_device__() must give (type, number), got {device!r}") from None


def _from_dlpack(img: Any, name: str) -> npt.NDArray[Any]:
    import pytrt

    try:
        return pytrt.from_dlpack(img)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        kind = type(img)
        raise TypeError(
            f"{name} cannot be read: {kind.__module__}.{kind.__qualname__} lends NumPy nothing ({error})"
        ) from error


def _convert(img: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    _check_shape(img.shape, name)
    _check_dtype(img.dtype, name)
    if img.ndim == 2:
        img = img[:, :, np.newaxis]
    levels = _as_uint8(img[:, :, :3], name)
    out = np.empty((img.shape[0], img.shape[1], 3), np.uint8)
    out[...] = levels  # gray broadcasts over the three channels
    return out


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    if 0 in shape:
        raise ValueError(f"{name} is empty: its shape is {shape}")
    if math.prod(shape[:2]) > MOST_PIXELS:
        raise ValueError(f"{name} is too large: its shape is {shape}, of at most {MOST_PIXELS} pixels")
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)):
        return
    wanted = f"{name} must have the shape (H, W, 3), (H, W, 4), (H, W, 1) or (H, W), got {shape}"
    if len(shape) == 4:
        raise ValueError(f"{wanted}; pass the pictures of a batch one by one, as in a list for detect_batch")
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        raise ValueError(f"{wanted}; channels come last: {name}.transpose(1, 2, 0)")
    raise ValueError(wanted)


def _check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind == "b":
        raise TypeError(f"{name} is a bool mask; as black and white: {name}.astype(np.uint8) * 255")
    if dtype.kind not in "uif":
        raise TypeError(f"{name} must hold uint8 levels, got dtype {dtype}; try {name}.astype(np.uint8)")


def _as_uint8(levels: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    if levels.dtype == _UINT8:
        return levels
    if levels.dtype.kind == "f":
        return _round_floats(levels, name)
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > 255:
        mend = f"; for 16-bit pictures divide by 257: ({name} / 257)" if levels.dtype == np.uint16 else ""
        raise ValueError(f"{name} holds {levels.dtype} values from {low} to {high}, must lie in 0..255{mend}")
    return levels.astype(np.uint8)


def _round_floats(levels: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    if not np.isfinite(levels).all():
        raise ValueError(f"{name} holds NaN or infinity; levels must lie in 0..255")
    whole = np.floor(levels)
    if levels.min() >= 0 and levels.max() <= 1 and (whole != levels).any():
        raise ValueError(f"{name} holds floats in 0..1, levels must lie in 0..255: multiply by 255")
    # the fraction is exact, levels + 0.5 would not be
    rounded = whole + (levels - whole >= 0.5)
    clipped: npt.NDArray[Any] = np.clip(rounded, 0, 255)
    return clipped.astype(np.uint8)


def _refuse(img: object, name: str) -> NoReturn:
    if img is None:
        raise TypeError(f"{name} is None; cv2.imread returns None for a file it cannot read: check the path")
    if isinstance(img, (str, os.PathLike)):
        raise TypeError(f"{name} is a path, not an array; read the picture first: cv2.imread({name})")
    if isinstance(img, (bytes, bytearray, memoryview)):
        mend = f"cv2.imdecode(np.frombuffer({name}, np.uint8), cv2.IMREAD_COLOR)"
        raise TypeError(f"{name} is bytes, not an array; decode the picture first: {mend}")
    kind = type(img)
    library = kind.__module__.partition(".")[0]
    wanted = f"{name} must be a NumPy array, got {kind.__module__}.{kind.__qualname__}"
    if is_on_gpu(img):
        wanted = f'{name} is in a GPU\'s memory, which a detector with device="cuda" reads, not the CPU'
    if kind.__name__ == "PyCapsule":
        raise TypeError(f"{wanted}; pass the array that it was made from, which says where it is and on what stream")
    if library == "PIL":
        raise TypeError(f'{wanted}; convert it: np.asarray({name}.convert("RGB"))[:, :, ::-1]')
    if library == "cupy":
        raise TypeError(f"{wanted}; bring it to the CPU: cupy.asnumpy({name})")
    if hasattr(img, "cpu") and hasattr(img, "numpy"):
        raise TypeError(f"{wanted}; bring it to the CPU: {name}.cpu().numpy(), as (H, W, 3) in BGR order")
    if isinstance(img, (list, tuple)):
        raise TypeError(f"{wanted}; convert it with np.asarray({name}), or see detect_batch for many pictures")
    raise TypeError(f"{wanted}; convert it with np.asarray({name})")
