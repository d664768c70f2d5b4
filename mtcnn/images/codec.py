"""Pictures' files decoded and encoded: by OpenCV where it is installed, else by Pillow."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mtcnn.images.opencv_codec import OpenCvCodec
from mtcnn.images.pillow_codec import PillowCodec
from mtcnn.runtime.opencv import picture_library

__all__ = ["Codec", "codec"]


class Codec(Protocol):
    """What reads and writes pictures' files.

    Attributes:
        name: of the library, as messages call it.
        tells_damage: whether it writes to standard error what it thinks of a damaged JPEG.
    """

    name: str
    tells_damage: bool

    def colour(self, data: bytes, turn: bool) -> npt.NDArray[np.uint8] | None:
        """BGR (H, W, 3) of a file of 8 or 16 bits, the first picture where there are several; None: it is none.

        turn: whether it is turned as its EXIF orientation says; TIFFs are anyway, AVIFs never.

        Raises:
            TooLargeError: it has more pixels than the library takes.
        """
        ...

    def stored(self, data: bytes) -> npt.NDArray[Any] | None:
        """(H, W) or (H, W, C), blue first, of the levels that the file holds; None: it is none."""
        ...

    def encode(self, ending: str, img: npt.NDArray[np.uint8], quality: int = 97) -> bytes | None:
        """A file of the format that the ending names, from BGR (H, W, 3). None: it does not write that.

        quality: of JPEG.
        """
        ...

    def endings(self) -> frozenset[str]:
        """One of each format that it reads."""
        ...


_OPENCV, _PILLOW = OpenCvCodec(), PillowCodec()


def codec() -> Codec:
    """
    Raises:
        MtcnnError: neither of both is installed.
    """
    return _OPENCV if picture_library().name == "OpenCV" else _PILLOW
