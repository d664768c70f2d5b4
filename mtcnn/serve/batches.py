"""Requests worked on by a few threads; those that wait are taken together."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from starlette.exceptions import HTTPException

from mtcnn.detector import TrtMtcnn
from mtcnn.images import dark_pictures
from mtcnn.images.decode import Flaw
from mtcnn.params import Params
from mtcnn.runtime.unused import untold
from mtcnn.web.pictures import Picture, decode_within
from mtcnn.web.uploads import RETRY

__all__ = ["Batches", "Found", "FullError"]

Array = npt.NDArray[np.float32]

MOST_PIXELS = 4_000_000  # of the pictures that are taken together, as their files say: bounds memory
MOST_BATCH = 16


class FullError(HTTPException):
    """There is no room for a further request."""

    def __init__(self) -> None:
        super().__init__(503, "too many requests wait: try again", RETRY)


@dataclass(frozen=True)
class Found:
    """The faces of a picture.

    Attributes:
        img: BGR (H, W, 3).
        flaw: what is wrong with it, as FLAWS has it.
        waited, worked: seconds before a thread took it, and that this took over all that it took with it.
        batch: pictures that were taken together.
    """

    img: Picture
    flaw: Flaw | None
    dets: Array
    landmarks: Array
    waited: float
    worked: float
    batch: int


@dataclass(eq=False)
class _Request:
    data: bytes
    pixels: int
    params: Params
    answer: asyncio.Future[Found]
    since: float = field(default_factory=time.monotonic)


class Batches:
    """A detector's threads. All calls but those of `_work` come from the event loop.

    Each thread that is free takes the request that waits longest, and with it its share of those that wait for the
    same parameters: a request never waits for others to come.

    Args:
        detector: which any number of threads may use.
        threads: that work at the same time.
        most_waiting: requests that wait for a thread; a further one is refused.
        most_pixels: of a picture.
        count: told the size of each batch.
    """

    def __init__(
        self,
        detector: TrtMtcnn,
        threads: int,
        most_waiting: int,
        most_pixels: int,
        count: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._detector, self._threads, self._most_pixels, self._count = detector, threads, most_pixels, count
        self._most_waiting = most_waiting
        self._pool = ThreadPoolExecutor(threads, "mtcnn-serve")
        self._waiting: deque[_Request] = deque()
        self._working = 0

    @property
    def waiting(self) -> int:
        """Requests that no thread has taken yet."""
        return len(self._waiting)

    @property
    def working(self) -> int:
        """Threads at work."""
        return self._working

    @property
    def is_full(self) -> bool:
        """Whether a further request would be refused."""
        return self._working >= self._threads and len(self._waiting) >= self._most_waiting

    async def find(self, data: bytes, pixels: int, params: Params) -> Found:
        """The faces of a picture's file. Cancelled before a thread has taken it, it costs nothing.

        Args:
            pixels: of the picture, as its file says.

        Raises:
            FullError: too many wait.
            HTTPException: it cannot be read, or has too many pixels.
            ValueError, MtcnnError, MemoryError: as ``detect``.
        """
        if self.is_full:
            raise FullError
        request = _Request(data, pixels, params, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._start()
        try:
            return await request.answer
        except asyncio.CancelledError:
            if request in self._waiting:
                self._waiting.remove(request)
            raise

    def close(self) -> None:
        """Wait for the threads to end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> None:
        while self._waiting and self._working < self._threads:
            batch = self._take()
            self._working += 1
            self._count(len(batch))
            task = asyncio.get_running_loop().run_in_executor(self._pool, self._work, batch)
            task.add_done_callback(functools.partial(self._end, batch))

    def _take(self) -> list[_Request]:
        first = self._waiting.popleft()
        batch, pixels = [first], first.pixels
        share = min(MOST_BATCH, -(-(1 + len(self._waiting)) // self._threads))
        for request in list(self._waiting):
            if len(batch) >= share:
                break
            if request.params == first.params and pixels + request.pixels <= MOST_PIXELS:
                batch.append(request)
                pixels += request.pixels
                self._waiting.remove(request)
        return batch

    def _end(self, batch: Sequence[_Request], done: asyncio.Future[list[Found | Exception]]) -> None:
        self._working -= 1
        error = done.exception()
        results: Sequence[Found | BaseException] = done.result() if error is None else [error] * len(batch)
        for request, result in zip(batch, results, strict=True):
            if request.answer.done():  # nobody waits for it any more
                continue
            if isinstance(result, BaseException):
                request.answer.set_exception(result)
            else:
                request.answer.set_result(result)
        self._start()

    def _work(self, batch: Sequence[_Request]) -> list[Found | Exception]:
        """In a thread: each request succeeds or fails alone."""
        began = time.monotonic()
        results: list[Found | Exception | None] = [None] * len(batch)
        pictures = []
        for i, request in enumerate(batch):
            try:
                pictures.append((i, decode_within(request.data, self._most_pixels)))
            except Exception as error:
                results[i] = error
        params = batch[0].params
        images = [read.img for _, read in pictures]
        try:
            faces: Sequence[tuple[Array, Array] | Exception] = self._detector._detect_each(images, params)
        except Exception:  # some are to blame, the others are not
            faces = [self._alone(read.img, params) for _, read in pictures]
        worked = time.monotonic() - began
        for (i, read), found in zip(pictures, faces, strict=True):
            if isinstance(found, Exception):
                results[i] = found
            else:
                waited = began - batch[i].since
                flaw = None if len(found[0]) and read.flaw == "dark" else read.flaw
                results[i] = Found(read.img, flaw, *found, waited, worked, len(batch))
        return [one for one in results if one is not None]

    def _alone(self, img: Picture, params: Params) -> tuple[Array, Array] | Exception:
        try:
            with dark_pictures(), untold():  # the answer tells
                return self._detector.detect(img, preset=params)
        except Exception as error:
            return error
