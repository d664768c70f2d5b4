"""OpenCV, imported where it is needed, and which library reads pictures: OpenCV, else Pillow."""

from __future__ import annotations

import os
from types import ModuleType
from typing import NamedTuple

from mtcnn.errors import MtcnnError
from mtcnn.runtime.install import has_opencv_wheels, install_command

__all__ = ["PictureLibrary", "has_opencv", "one_thread", "opencv", "picture_library"]

_EXTRAS = ("images", "pillow")  # either will do


class PictureLibrary(NamedTuple):
    """What reads and writes the files of pictures, and draws: OpenCV or Pillow."""

    name: str
    version: str


def opencv(purpose: str) -> ModuleType:
    """
    Args:
        purpose: what it is needed for, to begin a message with.

    Raises:
        MtcnnError: it is not installed, or cannot be loaded.
    """
    try:
        return _import()
    except ImportError as error:
        mend = install_command("images") if has_opencv_wheels() else "it has no wheels for this Python or system"
        raise MtcnnError(f"{purpose} needs OpenCV{_why(error)}: {mend}") from error


def has_opencv() -> bool:
    try:
        _import()
    except ImportError:
        return False
    return True


def picture_library() -> PictureLibrary:
    """
    Raises:
        MtcnnError: neither is installed, or can be loaded.
    """
    try:
        return PictureLibrary("OpenCV", _import().__version__)
    except ImportError as opencv_error:
        try:
            import PIL.Image
        except ImportError as error:
            both = f"OpenCV{_why(opencv_error)} or Pillow{_why(error)}"
            ways = " or ".join(dict.fromkeys(map(install_command, _EXTRAS)))
            raise MtcnnError(f"reading and drawing pictures needs {both}: {ways}") from error
        return PictureLibrary("Pillow", PIL.__version__)


def one_thread() -> None:
    """OpenCV, where it reads pictures, starts no threads of its own.

    Raises:
        MtcnnError: as :func:`picture_library`.
    """
    if picture_library().name == "OpenCV":
        _import().setNumThreads(1)


def _import() -> ModuleType:
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong is said here
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # the fonts that it lacks
    import cv2

    return cv2


def _why(error: ImportError) -> str:
    return "" if isinstance(error, ModuleNotFoundError) else f", which cannot be loaded ({error})"
