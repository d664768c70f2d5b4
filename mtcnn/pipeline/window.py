"""A window of the desktop that shows pictures as they come."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time

from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.read import Picture
from mtcnn.runtime.install import has_opencv_wheels
from mtcnn.runtime.opencv import has_opencv, opencv

__all__ = ["Window"]


class Window:
    """A window of the desktop.

    Args:
        fps: pictures a second at most, as a film wants it; None: as they come.
    """

    def __init__(self, title: str, fps: float | None = None) -> None:
        self._title = f"mtcnn: {title}"
        self._interval = 1 / fps if fps else 0.0
        self._due = 0.0

    @staticmethod
    @functools.cache
    def problem() -> str | None:
        """Why there can be none."""
        by_variable = sys.platform not in ("win32", "darwin")  # others' displays are named so
        if by_variable and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            return "there is no display"
        if not has_opencv():
            return "windows need OpenCV" + (": pip install opencv-python" if has_opencv_wheels() else "")
        built = opencv("a window").getBuildInformation().splitlines()
        gui = [line for line in built if line.strip().startswith("GUI:")]
        if not gui or "NONE" in gui[0]:
            return "this OpenCV has no windows: pip install opencv-python instead of opencv-python-headless"
        # in a process of its own: where there is no way to the display, Qt ends the process
        code = "import cv2, os; cv2.namedWindow('mtcnn'); os._exit(0)"
        tried = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, errors="replace")
        if tried.returncode != 0:
            return f"OpenCV cannot open one: {next(iter(tried.stderr.splitlines()), 'it crashes')}"
        return None

    def write(self, img: Picture, frame: FilmFrame) -> bool:
        cv2 = opencv("a window")
        cv2.imshow(self._title, img)
        now = time.perf_counter()
        self._due = max(self._due + self._interval, now)
        key = cv2.waitKey(max(1, round(1000 * (self._due - now)))) & 0xFF
        try:
            is_open = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # Qt has gone with its last window
            is_open = False
        return is_open and key not in (ord("q"), 27)

    def close(self) -> None:
        opencv("a window").destroyAllWindows()
