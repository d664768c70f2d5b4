"""as_bgr: arrays, tensors and PIL pictures as BGR uint8 (H, W, 3)."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.images import pillow
from mtcnn.images.gpu import READABLE, dlpack_device
from mtcnn.images.levels import as_uint8
from mtcnn.images.refusal import refuse
from mtcnn.images.shapes import wrong_shape
from mtcnn.images.types import Color

__all__ = ["MOST_PIXELS", "as_bgr", "picture_shape"]

log = logging.getLogger("mtcnn")

MOST_PIXELS = 1 << 30  # of a picture that is converted, which copies it

_UINT8 = np.dtype(np.uint8)


def as_bgr(img: Any, name: str = "img", color: Color = "bgr", *, turn: bool = True) -> npt.NDArray[np.uint8]:
    """Return ``img`` as BGR uint8 (H, W, 3) whose pixels lie side by side in each row.

    - uint8 (H, W, 3) with pixel-contiguous rows comes back as is, uncopied; read-only arrays and crops too.
      Any other stride (flipped, transposed, every second column) is copied once.
    - Gray, (H, W) or (H, W, 1), is repeated in the three channels. Of BGRA, (H, W, 4), alpha is dropped.
    - Floats are levels in 0..255, up to 100 beyond: rounded half up and clipped.
    - Other integers are taken where all values lie in 0..255.
    - What speaks DLPack and lies in the CPU's memory (a torch tensor) is viewed, and then treated as an array.
    - A PIL picture is converted from its mode, and turned as its EXIF orientation says.

    Args:
        img: the picture, as ``cv2.imread`` returns it.
        name: what to call the argument in an error.
        color: order of the channels: "bgr" or "rgb". A PIL picture knows its own.
        turn: whether PIL pictures are turned as their EXIF orientation says; where not, the log has a warning.

    Raises:
        TypeError: not an array, or of a dtype that holds no pixels (bool, complex, object, str).
        ValueError: an empty picture, a wrong shape, NaN or infinity, levels in another range than 0..255.
    """
    if isinstance(img, np.ndarray):
        if type(img) is not np.ndarray:
            img = _plain(img, name)
        shape = img.shape
        if img.dtype == _UINT8 and len(shape) == 3 and shape[2] == 3:
            bgr: npt.NDArray[np.uint8] = img
            if color != "bgr":
                _check_color(color)
                bgr = img[:, :, ::-1]
            row, pixel, channel = bgr.strides
            if channel == 1 and pixel == 3 and row >= 3 * shape[1] > 0 and shape[0] > 0:
                return bgr
        return _convert(img, name, color)
    if pillow.is_picture(img):
        _check_color(color)  # which it does without
        if not turn and pillow.orientation(img) != 1:
            mend = f"ImageOps.exif_transpose({name})"
            log.warning("%s is to be turned by its EXIF data, which is not done here: pass %s", name, mend)
        pixels = pillow.pixels(img, name, turn)
        return _convert(pixels, name, "rgb", value=f"np.asarray(ImageOps.exif_transpose({name}))")
    if dlpack_device(img) in READABLE:
        pixels = _from_dlpack(img, name)
        _check_shape(pixels.shape, name, permutes=hasattr(img, "permute"))
        return as_bgr(pixels, name, color)
    refuse(img, name)


def picture_shape(img: Any) -> tuple[int, ...] | None:
    """(H, W) or (H, W, C) of an array, a tensor or a PIL picture, of that once it is turned; None for what is none."""
    if isinstance(img, np.ndarray) or hasattr(img, "__dlpack__") or hasattr(img, "__cuda_array_interface__"):
        return tuple(img.shape)
    return pillow.turned_size(img) if pillow.is_picture(img) else None


def _plain(img: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Of a subclass's array, the plain one: what lies under a mask is no level."""
    if np.ma.is_masked(img):
        raise ValueError(f"{name} is a masked array, and some of it is masked: fill that, {name}.filled(0)")
    return np.asarray(img)


def _from_dlpack(img: Any, name: str) -> npt.NDArray[Any]:
    import pytrt

    try:
        return pytrt.from_dlpack(img)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        kind = type(img)
        raise TypeError(
            f"{name} cannot be read: {kind.__module__}.{kind.__qualname__} lends NumPy nothing ({error})"
        ) from error


def _convert(img: npt.NDArray[Any], name: str, color: Color, value: str | None = None) -> npt.NDArray[np.uint8]:
    """value: the array as an expression of the caller's, for what errors advise."""
    _check_color(color)
    _check_shape(img.shape, name)
    _check_dtype(img.dtype, name)
    if img.ndim == 2:
        img = img[:, :, np.newaxis]
    if color == "rgb" and img.shape[2] > 1:
        img = img[:, :, 2::-1]
    levels = as_uint8(img[:, :, :3], name, value or name)
    out = np.empty((img.shape[0], img.shape[1], 3), np.uint8)
    for channel in range(3):  # three times as fast as at once; gray goes into each
        out[:, :, channel] = levels[:, :, min(channel, levels.shape[2] - 1)]
    return out


def _check_color(color: object) -> None:
    checks.choice(color, "color", ("bgr", "rgb"))


def _check_shape(shape: tuple[int, ...], name: str, permutes: bool = False) -> None:
    if 0 in shape:
        raise ValueError(f"{name} is empty: its shape is {shape}")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ValueError(wrong_shape(shape, name, permutes))
    if math.prod(shape[:2]) > MOST_PIXELS:
        raise ValueError(f"{name} is too large: its shape is {shape}, of at most {MOST_PIXELS} pixels")


def _check_dtype(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind == "b":
        raise TypeError(f"{name} is a bool mask; as black and white: {name}.astype(np.uint8) * 255")
    if dtype.kind not in "uif":
        mend = ""
        if dtype.kind == "O":
            mend = f"; try {name}.astype(np.uint8)"
        elif dtype.names:
            mend = f"; try numpy.lib.recfunctions.structured_to_unstructured({name})"
        raise TypeError(f"{name} must hold uint8 levels, got dtype {dtype!s:.80}{mend}")
