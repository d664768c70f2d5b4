"""Pictures by their paths: found, read, their faces found, several groups of them at the same time."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn.detector import TrtMtcnn
from mtcnn.errors import MtcnnError

__all__ = [
    "Array",
    "Detected",
    "Found",
    "detect_pictures",
    "encode_picture",
    "find_pictures",
    "keep",
    "opencv",
    "read_picture",
    "write_picture",
]

Picture = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]

SUFFIXES = {".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}

# What one thread works on at a time: enough to share the networks' calls, little enough to keep memory small.
GROUP = 8
GROUP_BYTES = 1_000_000

Result = TypeVar("Result")


class Source(Protocol):
    """Where a picture's file is read from; both may raise OSError, and reading UnreadableError."""

    def read_bytes(self) -> bytes: ...

    def size(self) -> int:
        """Bytes."""


SourceT = TypeVar("SourceT", bound=Source)


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


@dataclass(frozen=True, eq=False)
class Detected(Generic[SourceT]):
    """A picture and its faces; where it could not be read, `problem` says why."""

    found: SourceT
    img: Picture | None
    dets: Array
    landmarks: Array
    problem: str | None = None


def find_pictures(arguments: Iterable[str | os.PathLike[str]], without: Path | None = None) -> Iterator[Found]:
    """Files as they are named; folders' pictures with all that is below them, in order; globs, ** included.

    without: a folder within those that is left out.
    """
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            yield from _in_folder(path, without.resolve() if without else None)
        elif not path.exists() and glob.has_magic(str(argument)):
            for match in sorted(glob.iglob(str(argument), recursive=True)):
                if Path(match).is_file():
                    yield Found(Path(match), Path(os.path.basename(match)))
        else:
            yield Found(path, Path(path.name))


def detect_pictures(
    detector: TrtMtcnn, pictures: Iterable[SourceT], work: Callable[[Detected[SourceT]], Result], jobs: int
) -> Generator[Result, None, None]:
    """What `work` makes of each picture and its faces, in order; `work` runs in threads.

    Args:
        jobs: groups of pictures that are worked on at the same time; 0: one a core.
    """
    jobs = jobs or pytrt.usable_cores()
    threads = ThreadPoolExecutor(jobs)
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for group in _groups(pictures):
            waiting.append(threads.submit(_work_on, detector, group, work))
            if len(waiting) > jobs + 1:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def read_picture(path: Path) -> Picture:
    """BGR (H, W, 3), turned as its EXIF orientation says.

    Raises:
        MtcnnError: it cannot be read.
    """
    try:
        return _read(Found(path, path))
    except UnreadableError as error:
        raise MtcnnError(f"{path}: {error}") from None


def write_picture(path: Path, img: Picture, sources: Sequence[Path] = ()) -> None:
    """A file in the format of its ending, its folders made where they are missing.

    sources: what must not be overwritten.

    Raises:
        MtcnnError: it cannot be written.
    """
    keep(path, sources)
    data = encode_picture(path, img)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise MtcnnError(f"cannot write {path}: {error.strerror or error}") from error


def encode_picture(path: Path, img: Picture) -> bytes:
    """What a file of that name holds.

    Raises:
        MtcnnError: its ending is no picture's.
    """
    cv2 = opencv()
    options = [cv2.IMWRITE_JPEG_QUALITY, 97] if path.suffix.lower() in (".jpg", ".jpeg") else []
    try:
        whole, data = cv2.imencode(path.suffix, img, options)
    except cv2.error:
        raise MtcnnError(f"cannot write {path}: its ending is no picture's, like .jpg or .png") from None
    if not whole:
        raise MtcnnError(f"cannot write {path}: OpenCV cannot encode it")
    return bytes(data)


def keep(path: Path, sources: Sequence[Path]) -> None:
    """Refuse to write what is read.

    Raises:
        MtcnnError: `path` is one of the sources.
    """
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise MtcnnError(f"{path} would be overwritten with what is made of it: choose another place")


def opencv() -> ModuleType:
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong is said here
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # the fonts that it lacks
    try:
        import cv2
    except ImportError as error:
        raise MtcnnError("reading pictures needs OpenCV: pip install opencv-python-headless") from error
    return cv2


def _in_folder(folder: Path, without: Path | None) -> Iterator[Found]:
    closed: list[Path] = []
    for where, folders, files in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        if without is not None:
            folders[:] = [name for name in folders if Path(where, name).resolve() != without]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Found(path, path.relative_to(folder))
    for path in closed:  # folders: reading them will tell why
        yield Found(path, path.relative_to(folder))


def _groups(pictures: Iterable[SourceT]) -> Iterator[list[SourceT]]:
    group: list[SourceT] = []
    size = 0
    for found in pictures:
        group.append(found)
        with contextlib.suppress(OSError):  # reading it will tell
            size += found.size()
        if len(group) == GROUP or size > GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _work_on(detector: TrtMtcnn, group: Sequence[SourceT], work: Callable[[Detected[SourceT]], Result]) -> list[Result]:
    return [work(found) for found in _detect(detector, [(found, _try_read(found)) for found in group])]


def _try_read(source: Source) -> Picture | str:
    try:
        return _read(source)
    except UnreadableError as error:
        return str(error)


def _read(source: Source) -> Picture:
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


def _detect(detector: TrtMtcnn, batch: Sequence[tuple[SourceT, Picture | str]]) -> Iterator[Detected[SourceT]]:
    readable = [img for _, img in batch if not isinstance(img, str)]
    results = iter(detector.detect_batch(readable))
    nothing = np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)
    for found, img in batch:
        if isinstance(img, str):
            yield Detected(found, None, *nothing, img)
        else:
            yield Detected(found, img, *next(results))
