"""Pictures from files, as RGB arrays."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.compat.mtcnn.exceptions import InvalidImage
from mtcnn.files import read_regular
from mtcnn.images.decode import FLAWS, UnreadableError, decode

__all__ = ["decode_bgr", "is_file", "load_image", "load_images_batch", "swap_red_and_blue"]

log = logging.getLogger("mtcnn")


def load_image(image: Any, dtype: Any = np.float32, device: object = None) -> npt.NDArray[Any]:
    """Return a picture as RGB (H, W, 3), levels 0..255.

    Args:
        image: a path, the bytes of a picture file, or an array, which is only converted to ``dtype``.
        dtype: of the result; TensorFlow's types do, too. uint8 is what ``detect_faces`` takes uncopied.
        device: not used.

    Raises:
        FileNotFoundError, OSError: the file cannot be read.
        InvalidImage: it cannot be decoded.
        MtcnnError: OpenCV is not installed.
    """
    if is_file(image):
        image = swap_red_and_blue(decode_bgr(image))
    return np.asarray(image, dtype=getattr(dtype, "as_numpy_dtype", dtype))


def load_images_batch(images: Sequence[Any], dtype: Any = np.float32, device: object = None) -> list[npt.NDArray[Any]]:
    """Return a list of what :func:`load_image` makes of each; arrays stay as they are."""
    return [load_image(image, dtype, device) if is_file(image) else image for image in images]


def is_file(image: object) -> bool:
    """Whether this is a path or the bytes of a file."""
    return isinstance(image, (str, os.PathLike, bytes, bytearray, memoryview))


def decode_bgr(image: Any, name: str = "image") -> npt.NDArray[np.uint8]:
    """Return the picture at a path, or in the bytes of a file, as BGR uint8 (H, W, 3).

    It is not turned as its EXIF orientation says, so that coordinates are those of the pixels in the file.
    """
    named = not isinstance(image, (bytes, bytearray, memoryview))
    content = read_regular(os.fsdecode(image)) if named else bytes(image)
    what = f"{name} {os.fspath(image)!r}" if named else f"{name}, {len(content)} bytes,"
    try:
        img, flaw = decode(content, turn=False)
    except UnreadableError as error:
        raise InvalidImage(f"{what} cannot be read: {error}") from None
    if flaw:
        log.warning("%s is %s", what, FLAWS[flaw])
    return img


def swap_red_and_blue(img: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return RGB as BGR or BGR as RGB, (H, W, 3); alpha is dropped, gray comes back as it is."""
    if img.ndim != 3 or img.shape[2] not in (3, 4):
        return img
    swapped = img[:, :, 2::-1]
    if swapped.strides[2] == img.itemsize:  # it was a swapped view of the other
        return swapped
    out = np.empty(swapped.shape, img.dtype)
    for channel in range(3):  # three times as fast as at once
        out[:, :, channel] = swapped[:, :, channel]
    return out
