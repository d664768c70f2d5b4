"""Pictures of strangers, of so many pixels at most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from starlette.exceptions import HTTPException

from mtcnn.images.decode import Decoded, UnreadableError, decode
from mtcnn.images.picture_size import picture_size

__all__ = ["MOST_PIXELS", "Picture", "check_size", "decode_within"]

Picture = npt.NDArray[np.uint8]

MOST_PIXELS = 50_000_000  # a file of a few kilobytes can say it has billions of them


def decode_within(data: bytes, most_pixels: int) -> Decoded:
    """The picture in a file's bytes.

    Raises:
        HTTPException: 413, it has more pixels; 415, it cannot be read.
    """
    check_size(data, most_pixels)
    try:
        found = decode(data, most=most_pixels)
    except UnreadableError as error:
        raise HTTPException(415, f"the picture cannot be read: {error}") from None
    _check_pixels(found.img.shape[0] * found.img.shape[1], most_pixels)
    return found


def check_size(data: bytes, most_pixels: int) -> int | None:
    """The pixels that a file says it has; None where it does not say.

    Raises:
        HTTPException: 413, it has more.
    """
    size = picture_size(data)
    if size is None:
        return None
    _check_pixels(size[0] * size[1], most_pixels)
    return size[0] * size[1]


def _check_pixels(pixels: int, most: int) -> None:
    if pixels > most:
        raise HTTPException(413, f"the picture has {pixels / 1e6:,.0f} megapixels, of at most {most / 1e6:g}")
