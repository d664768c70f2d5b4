"""Pictures read from their files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mtcnn.errors import MtcnnError
from mtcnn.files import read_regular
from mtcnn.images.decode import FLAWS, Decoded, Flaw, UnreadableError, decode

__all__ = ["FLAWS", "Decoded", "Flaw", "Found", "Picture", "Source", "UnreadableError", "read_picture", "read_source"]

Picture = npt.NDArray[np.uint8]

log = logging.getLogger("mtcnn")


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
        return read_regular(self.path)

    def size(self) -> int:
        return self.path.stat().st_size


def read_picture(path: Path) -> Picture:
    """BGR (H, W, 3), turned as its EXIF orientation says. One that has a flaw is read, with a warning in the log.

    Raises:
        MtcnnError: it cannot be read, or holds levels 0 and 1 alone.
    """
    try:
        img, flaw = read_source(Found(path, path))
    except UnreadableError as error:
        raise MtcnnError(f"{path}: {error}") from None
    if flaw == "dark" and img.max() == 1:
        raise MtcnnError(f"{path} holds levels 0 and 1 alone: scale them to 0..255")
    if flaw:
        log.warning("%s: %s", path, FLAWS[flaw])
    return img


def read_source(source: Source) -> Decoded:
    """BGR (H, W, 3), turned as its EXIF orientation says.

    Raises:
        UnreadableError: it cannot be read.
    """
    try:
        return decode(source.read_bytes())
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    except MemoryError:
        raise UnreadableError("too large for this machine's memory") from None
