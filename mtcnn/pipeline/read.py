"""Pictures read from their files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mtcnn.errors import MtcnnError
from mtcnn.runtime.opencv import opencv

__all__ = ["Found", "Picture", "Source", "UnreadableError", "read_picture", "read_source"]

Picture = npt.NDArray[np.uint8]


class Source(Protocol):
    """Where a picture's file is read from; both may raise OSError, and reading UnreadableError."""

    def read_bytes(self) -> bytes: ...

    def size(self) -> int:
        """Bytes."""


class Found(NamedTuple):
    """A picture's path, and its name within the folder that was given."""

    path: Path
    name: Path

    def read_bytes(self) -> bytes:
        mode = self.path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe would wait
            raise UnreadableError("no regular file")
        return self.path.read_bytes()

    def size(self) -> int:
        return self.path.stat().st_size


class UnreadableError(Exception):
    """Why a picture cannot be read."""


def read_picture(path: Path) -> Picture:
    """BGR (H, W, 3), turned as its EXIF orientation says.

    Raises:
        MtcnnError: it cannot be read.
    """
    try:
        return read_source(Found(path, path))
    except UnreadableError as error:
        raise MtcnnError(f"{path}: {error}") from None


def read_source(source: Source) -> Picture:
    """BGR (H, W, 3), turned as its EXIF orientation says.

    Raises:
        UnreadableError: it cannot be read.
    """
    cv2 = opencv()
    try:
        data = source.read_bytes()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    try:
        img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        img = None
    except MemoryError:
        raise UnreadableError("too large for this machine's memory") from None
    if img is None:
        raise UnreadableError("no picture that OpenCV can read" if data else "the file is empty")
    return np.asarray(img, np.uint8)
