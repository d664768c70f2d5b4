"""Cameras of this machine, read by OpenCV."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import numpy as np

from mtcnn.errors import MtcnnError
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.runtime.opencv import opencv

__all__ = ["Camera"]


class Camera:
    """What pictures are read from; their times are those at which they came, from the first.

    Args:
        number: 0 is the first camera.

    Raises:
        MtcnnError: it cannot be opened.
    """

    live = True
    due = 0
    damaged = 0
    start = 0.0
    time_base = Fraction(1, 90_000)

    def __init__(self, number: int) -> None:
        cv2 = opencv("a camera")
        self.source = f"camera {number}"
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise MtcnnError(f"{self.source} cannot be opened as a film, camera or stream")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 0 < fps < 1000 else 25.0
        self.rate = Fraction(self.fps).limit_denominator(1001)
        self.notes: list[str] = []
        self.copied: list[Any] = []
        self.colours: dict[str, int] = {}
        self.metadata: dict[str, str] = {}
        self.sample_aspect_ratio = None
        self.start_offset = Fraction(0)
        self._count = 0
        self._began = 0.0

    def read(self) -> FilmFrame | None:
        whole, img = self._capture.read()
        if not whole or img is None:
            return None
        now = time.monotonic()
        self._began = self._began or now
        self._count += 1
        return FilmFrame(self._count - 1, now - self._began, np.asarray(img, np.uint8))

    def rest(self) -> list[Any]:
        return []

    def problem(self) -> str | None:
        """Why it ended."""
        return f"{self.source} gives no more pictures: the camera or stream is gone"

    def close(self) -> None:
        self._capture.release()
