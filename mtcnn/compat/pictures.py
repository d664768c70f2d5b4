"""Pictures as other packages take them, RGB or files, as the detector takes them, BGR."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.errors import DarkPictureError
from mtcnn.files import read_regular
from mtcnn.images import as_bgr
from mtcnn.images.decode import FLAWS, UnreadableError, decode

__all__ = ["PictureFileError", "bgr_from_rgb", "dark_as", "is_tensor", "numpy_from_tensor", "read_bgr"]

log = logging.getLogger("mtcnn")


class PictureFileError(FileNotFoundError, ValueError):
    """There is no such file, or no picture in it: what packages say of it, some the one, some the other."""


def is_tensor(img: object) -> TypeGuard[Any]:
    """Whether this is a torch tensor, or of a subclass."""
    torch = sys.modules.get("torch")  # whoever has a tensor has imported it
    return torch is not None and isinstance(img, torch.Tensor)


def numpy_from_tensor(tensor: Any, name: str = "img") -> npt.NDArray[Any]:
    """Return a tensor (H, W, 3) or (n, H, W, 3) of any device as an array.

    Raises:
        ValueError: channels come first.
    """
    shape = tuple(tensor.shape)
    if len(shape) in (3, 4) and shape[-1] not in (1, 3, 4) and shape[-3] in (1, 3, 4):
        order = "1, 2, 0" if len(shape) == 3 else "0, 2, 3, 1"
        raise ValueError(f"{name} has the shape {shape}, but channels come last: {name}.permute({order})")
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def bgr_from_rgb(img: Any, name: str = "img") -> npt.NDArray[np.uint8]:
    """Return a picture in RGB as BGR uint8 (H, W, 3).

    Args:
        img: an array or a tensor of any device (H, W, 3), levels 0..255; a PIL picture, which is not turned as its EXIF
            orientation says.
        name: what to call the argument in an error.

    Raises:
        TypeError, ValueError: as :func:`mtcnn.images.as_bgr`.
    """
    return as_bgr(numpy_from_tensor(img, name) if is_tensor(img) else img, name, "rgb", turn=False)


def read_bgr(file: Any, name: str, turn: bool = True) -> npt.NDArray[np.uint8]:
    """Return the picture in a file, BGR uint8 (H, W, 3). Of one that has a flaw the log tells that.

    Args:
        file: a path, or an open file of bytes.
        turn: whether it is turned as its EXIF orientation says.

    Raises:
        PictureFileError: there is no such file, or no picture in it.
        OSError: it cannot be read for another reason.
        TypeError: neither a path nor a file of bytes.
    """
    shown = ""
    if isinstance(file, (str, os.PathLike)):
        path = checks.path(file, name)
        shown = f" {str(path)!r}"
        try:
            data = read_regular(path)
        except FileNotFoundError:
            raise PictureFileError(f"there is no {name}{shown}") from None
        except IsADirectoryError:
            raise PictureFileError(f"{name}{shown} is a folder") from None
    else:
        read = getattr(file, "read", None)
        data = read() if callable(read) else file
        if not isinstance(data, (bytes, bytearray)) or read is None:
            raise TypeError(f"{name} must be a path or an open file of bytes, got {checks.shown(file)}")
    try:
        img, flaw = decode(bytes(data), turn)
    except UnreadableError as error:
        raise PictureFileError(f"{name}{shown} cannot be read: {error}") from None
    if flaw:
        log.warning("%s%s is %s", name, shown, FLAWS[flaw])
    return img


@contextmanager
def dark_as(name: str, is_batch: bool = False, kind: type[DarkPictureError] = DarkPictureError) -> Iterator[None]:
    """Where a detection refuses a picture that is too dark, it has the argument's name here: of several name[i]."""
    try:
        yield
    except DarkPictureError as error:
        raise kind(name + error.name.removeprefix("images") if is_batch else name) from None
