"""Pictures detected in: read from their sources and their faces found, several groups at the same time."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn.detector import TrtMtcnn
from mtcnn.images import dark_pictures
from mtcnn.pipeline.read import Decoded, Flaw, Picture, Source, UnreadableError, read_source
from mtcnn.runtime.threads import starting_threads

__all__ = ["Array", "Detected", "SourceT", "detect_pictures"]

Array = npt.NDArray[np.float32]

# What one thread works on at a time: enough to share the networks' calls, little enough to keep memory small.
GROUP = 8
GROUP_BYTES = 1_000_000

Result = TypeVar("Result")
SourceT = TypeVar("SourceT", bound=Source)


@dataclass(frozen=True, eq=False)
class Detected(Generic[SourceT]):
    """A picture and its faces; where it could not be read, `problem` says why.

    flaw: what is wrong with it, as FLAWS has it; the faces are those of what there is of it.
    """

    found: SourceT
    img: Picture | None
    dets: Array
    landmarks: Array
    problem: str | None = None
    flaw: Flaw | None = None


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
            with starting_threads("use fewer (--jobs 1)"):
                waiting.append(threads.submit(_work_on, detector, group, work))
            if len(waiting) > jobs + 1:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


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


def _detect(detector: TrtMtcnn, batch: Sequence[tuple[SourceT, Decoded | str]]) -> Iterator[Detected[SourceT]]:
    readable = [read.img for _, read in batch if not isinstance(read, str)]
    with dark_pictures():  # their flaw says so
        results = iter(detector.detect_batch(readable))
    nothing = np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)
    for found, read in batch:
        if isinstance(read, str):
            yield Detected(found, None, *nothing, read)
        else:
            dets, landmarks = next(results)
            flaw = None if len(dets) and read.flaw == "dark" else read.flaw
            yield Detected(found, read.img, dets, landmarks, flaw=flaw)


def _try_read(source: Source) -> Decoded | str:
    try:
        return read_source(source)
    except UnreadableError as error:
        return str(error)
