"""Films, cameras and streams: read, detect and write, each in its own thread, a few pictures apart."""

from __future__ import annotations

import functools
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mtcnn.detector import TrtMtcnn
from mtcnn.draw import draw_faces
from mtcnn.errors import MtcnnError
from mtcnn.pipeline.line_file import LineFile
from mtcnn.runtime.opencv import opencv
from mtcnn.runtime.threads import starting_threads

__all__ = ["Film", "FilmWriter", "VideoResult", "Window", "files_in", "run_through"]

Picture = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]
WriteFaces = Callable[[int, float, Array, Array], None]

_AHEAD = 4  # pictures between two threads
_LEAST_FREE = 8_000_000  # bytes of a disk, for what is still to be written of a film
_PATIENCE = 10  # seconds, with a stream that falls silent
_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}


class Sink(Protocol):
    def write(self, img: Picture) -> bool:
        """False: the user wants no more."""
        ...

    def close(self) -> None: ...


class Film:
    """What pictures are read from.

    Attributes:
        due: how many pictures there are, as the file says; 0: unknown, or without end.

    Raises:
        MtcnnError: it cannot be opened.
    """

    def __init__(self, source: str) -> None:
        cv2 = opencv()
        self.source = source
        is_camera = source.isdigit()
        self.live = is_camera or "://" in source
        if not self.live and not Path(source).is_file():
            raise MtcnnError(f"there is no file {source}")
        self._capture = cv2.VideoCapture(int(source)) if is_camera else _open(source)
        if not self._capture.isOpened():
            what = f"camera {source}" if is_camera else source
            raise MtcnnError(f"{what} cannot be opened as a film, camera or stream")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 0 < fps < 1000 else 25.0
        self.size = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        )
        self.due = 0 if self.live else max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._read = 0

    def read(self) -> Picture | None:
        whole, img = self._capture.read()
        if not whole or img is None:
            return None
        self._read += 1
        return np.asarray(img, np.uint8)

    def problem(self) -> str | None:
        """Why it ended, where that was too early."""
        if self.live:
            return f"{self.source} gives no more pictures: the camera or stream is gone"
        # containers' counts may be one or two off
        if self._read == 0 or self._read < self.due - 2:
            return f"{self.source} ends after {self._read} of {self.due} pictures: it is truncated or damaged"
        return None

    def close(self) -> None:
        self._capture.release()


def files_in(source: str) -> list[str]:
    """What of a source may name a file: all of it, and what comes after each colon of URLs like file:///a.mp4 and
    cache:file:///a.mp4."""
    return [source, *(source[at + 1 :] for at, character in enumerate(source) if character == ":")]


def _open(source: str) -> Any:
    cv2 = opencv()
    if "://" in source and cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
        waits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, [n for wait in waits for n in (wait, 1000 * _PATIENCE)])
    return cv2.VideoCapture(source)


class FilmWriter:
    """A film with drawn faces. One that replaces another grows beside it, as NAME.partial.mp4, until `finish`.

    Attributes:
        path: of the film that is written.

    Raises:
        MtcnnError: it cannot be written, or another process writes it.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        cv2 = opencv()
        if path.suffix.lower() not in _CODECS:
            raise ValueError(f"output must end in {' or '.join(_CODECS)}, got {path}")
        codec = cv2.VideoWriter_fourcc(*_CODECS[path.suffix.lower()])
        self._final, self._size, self._count = path, size, 0
        self.path = next(name for name in _partials(path) if not os.path.lexists(name)) if path.is_file() else path
        is_new = self.path == path
        self._lock = LineFile(path)
        self._writer = cv2.VideoWriter(str(self.path), codec, fps, (size[1], size[0]))
        if not self._writer.isOpened():
            if is_new:
                self._lock.discard()
            self.unlock()
            raise MtcnnError(f"cannot write {path}")

    def unlock(self) -> None:
        """Let other processes write it: the last that is to be called."""
        self._lock.close()

    def finish(self) -> None:
        """Put the film, which is closed and whole, in its place."""
        if self.path != self._final:
            os.replace(self.path, os.path.realpath(self._final))
            self.path = self._final

    def write(self, img: Picture) -> bool:
        if img.shape[:2] != self._size:  # a stream may change its size
            img = np.asarray(opencv().resize(img, self._size[::-1]), np.uint8)
        # OpenCV does not say that a disk is full, and the film's index is written last
        if shutil.disk_usage(self.path.parent).free < _LEAST_FREE:
            raise MtcnnError(f"the disk is full: {self.path} ends after {self._count} pictures")
        self._writer.write(img)
        self._count += 1
        return True

    def close(self) -> None:
        """Raises MtcnnError where the film cannot be read to its end."""
        cv2 = opencv()
        self._writer.release()
        if self._count == 0:
            return
        film = cv2.VideoCapture(str(self.path))
        film.set(cv2.CAP_PROP_POS_FRAMES, self._count - 1)
        is_there, _ = film.read()
        end = film.get(cv2.CAP_PROP_POS_FRAMES)
        film.release()
        if not is_there or end < self._count - 2:  # where it cannot seek, it reads the first picture
            raise MtcnnError(f"{self.path} is damaged: it could not be written to its end")


def _partials(path: Path) -> Iterator[Path]:
    if path.is_symlink():  # which may lead to another disk
        path = Path(os.path.realpath(path))
    yield path.with_suffix(f".partial{path.suffix}")
    yield from (path.with_suffix(f".partial-{n}{path.suffix}") for n in count(2))


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
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            return "there is no display"
        gui = [line for line in opencv().getBuildInformation().splitlines() if line.strip().startswith("GUI:")]
        if not gui or "NONE" in gui[0]:
            return "this OpenCV has no windows: pip install opencv-python instead of opencv-python-headless"
        # in a process of its own: where there is no way to the display, Qt ends the process
        code = "import cv2, os; cv2.namedWindow('mtcnn'); os._exit(0)"
        tried = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, errors="replace")
        if tried.returncode != 0:
            return f"OpenCV cannot open one: {next(iter(tried.stderr.splitlines()), 'it crashes')}"
        return None

    def write(self, img: Picture) -> bool:
        cv2 = opencv()
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
        opencv().destroyAllWindows()


@dataclass
class VideoResult:
    """How it went."""

    pictures: int = 0
    faces: int = 0
    seconds: float = 0.0
    problem: str | None = None
    cancelled: bool = False

    @property
    def pictures_a_second(self) -> float:
        return self.pictures / self.seconds if self.seconds else 0.0


@dataclass
class _Seen:
    index: int
    img: Picture
    dets: Array
    landmarks: Array
    fps: float


def run_through(
    film: Film,
    detector: TrtMtcnn,
    sinks: Sequence[Sink],
    write_faces: WriteFaces | None,
    every: int = 1,
    most: int | None = None,
) -> VideoResult:
    """Detect in each picture, or every N-th, and hand it to the sinks. Closes film and sinks, whatever happens."""
    stop = threading.Event()
    read: queue.Queue[Picture | None] = queue.Queue(_AHEAD)
    seen: queue.Queue[_Seen | None] = queue.Queue(_AHEAD)
    errors: list[BaseException] = []
    threads = [
        threading.Thread(target=_guarded, args=(work, errors, stop, end), name=name)
        for name, work, end in (
            ("read", lambda: _read(film, read, stop, most), read),
            ("detect", lambda: _detect(detector, read, seen, stop, every), seen),
        )
    ]
    result = VideoResult()
    began = time.perf_counter()
    try:
        with starting_threads("end other work"):
            for thread in threads:
                thread.start()
        while (one := seen.get()) is not None:
            result.pictures += 1
            result.faces += len(one.dets)
            if write_faces:
                write_faces(one.index, one.index / film.fps, one.dets, one.landmarks)
            if sinks:
                drawn = _with_fps(draw_faces(one.img, one.dets, one.landmarks), one.fps)
                wanted = [sink.write(drawn) for sink in sinks]
                if not all(wanted):
                    most = one.index + 1
                    break
    except KeyboardInterrupt:
        result.cancelled = True
    finally:
        stop.set()
        for thread in threads:
            _drain(read)
            _drain(seen)
            if thread.ident is not None:  # started
                thread.join()
        result.seconds = time.perf_counter() - began
        with ExitStack() as closing:
            for close in (film.close, *(sink.close for sink in sinks)):
                closing.callback(close)
    if errors:
        raise errors[0]
    if not result.cancelled and result.pictures != most:
        result.problem = film.problem()
    return result


def _guarded(
    work: Callable[[], None], errors: list[BaseException], stop: threading.Event, end: queue.Queue[Any]
) -> None:
    try:
        work()
    except BaseException as error:
        errors.append(error)
        stop.set()
    finally:
        _put(end, None, stop, last=True)


def _read(film: Film, out: queue.Queue[Picture | None], stop: threading.Event, most: int | None) -> None:
    count = 0
    while not stop.is_set() and count != most:
        img = film.read()
        if img is None:
            return
        count += 1
        _put(out, img, stop)


def _detect(
    detector: TrtMtcnn,
    pictures: queue.Queue[Picture | None],
    out: queue.Queue[_Seen | None],
    stop: threading.Event,
    every: int,
) -> None:
    index = 0
    found = np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)
    fps, before = 0.0, time.perf_counter()
    while not stop.is_set() and (img := pictures.get()) is not None:
        if index % every == 0:
            found = detector.detect(img)
        now = time.perf_counter()
        latest = 1 / max(now - before, 1e-6)
        fps = latest if fps == 0 else 0.9 * fps + 0.1 * latest
        before = now
        _put(out, _Seen(index, img, *found, fps), stop)
        index += 1


def _put(target: queue.Queue[Any], item: Any, stop: threading.Event, last: bool = False) -> None:
    """Wait for room, but not for a reader that has gone."""
    while True:
        try:
            target.put(item, timeout=0.1)
            return
        except queue.Full:
            if stop.is_set() and not last:
                return
            if stop.is_set():
                _drain(target)


def _drain(items: queue.Queue[Any]) -> None:
    try:
        while True:
            items.get_nowait()
    except queue.Empty:
        pass


def _with_fps(img: Picture, fps: float) -> Picture:
    cv2 = opencv()
    scale = max(0.5, img.shape[0] / 900)
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        place = (round(8 * scale), round(24 * scale))
        cv2.putText(img, f"{fps:.1f} fps", place, cv2.FONT_HERSHEY_SIMPLEX, 0.7 * scale, colour, width, cv2.LINE_AA)
    return img
