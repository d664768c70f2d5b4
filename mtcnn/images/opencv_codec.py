"""Pictures' files decoded and encoded by OpenCV."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.images.too_large import TooLargeError
from mtcnn.runtime.opencv import opencv

__all__ = ["OpenCvCodec"]

_LEAST_JP2 = 32  # pixels each way that OpenCV writes as JPEG 2000; of smaller ones it leaves a temporary file behind
_ASKED = (".avif", ".bmp", ".gif", ".hdr", ".jp2", ".jpg", ".png", ".ppm", ".ras", ".tiff", ".webp")


class OpenCvCodec:
    """See :class:`mtcnn.images.codec.Codec`."""

    name = "OpenCV"
    tells_damage = True

    def colour(self, data: bytes, turn: bool) -> npt.NDArray[np.uint8] | None:
        cv2 = opencv("reading pictures")
        img = _imdecode(data, cv2.IMREAD_COLOR | (0 if turn else cv2.IMREAD_IGNORE_ORIENTATION))
        if img is not None and img.ndim == 2:  # a PFM's levels of gray
            img = np.repeat(img[:, :, np.newaxis], 3, axis=2)
        return img

    def stored(self, data: bytes) -> npt.NDArray[Any] | None:
        return _imdecode(data, opencv("reading pictures").IMREAD_UNCHANGED)

    def encode(self, ending: str, img: npt.NDArray[np.uint8], quality: int = 97) -> bytes | None:
        cv2 = opencv("writing pictures")
        if ending.lower() == ".jp2" and min(img.shape[:2]) < _LEAST_JP2:
            return None
        options = [cv2.IMWRITE_JPEG_QUALITY, quality] if ending.lower() in (".jpg", ".jpeg") else []
        try:
            whole, data = cv2.imencode(ending, img, options)
        except cv2.error:
            return None
        return bytes(data) if whole else None

    def endings(self) -> frozenset[str]:
        return frozenset(ending for ending in _ASKED if opencv("reading pictures").haveImageWriter(ending))


def _imdecode(data: bytes, flags: int) -> npt.NDArray[Any] | None:
    cv2 = opencv("reading pictures")
    try:
        img: npt.NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if "MAX_IMAGE_PIXELS" in str(error):
            raise TooLargeError from None
        return None
    return img
