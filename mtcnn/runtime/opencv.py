"""OpenCV, imported where files and windows need it."""

from __future__ import annotations

import os
from types import ModuleType

from mtcnn.errors import MtcnnError

__all__ = ["opencv"]


def opencv() -> ModuleType:
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong is said here
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # the fonts that it lacks
    try:
        import cv2
    except ImportError as error:
        why = "" if isinstance(error, ModuleNotFoundError) else f", which cannot be loaded ({error})"
        raise MtcnnError(f"reading pictures needs OpenCV{why}: pip install opencv-python-headless") from error
    return cv2
