"""Backends in turns on the pictures of a film: the work of `mtcnn bench --backend`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtcnn.backends import plain_cascade
from mtcnn.backends.networks import load
from mtcnn.errors import MtcnnError
from mtcnn.pipeline.options import DetectorOptions

__all__ = ["DETECTOR", "Competitor", "compare_backends", "number_of", "pictures_of", "race"]

DETECTOR = "TrtMtcnn"  # the whole detector, beside the backends in the plain cascade
TURN = 8  # pictures

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


@dataclass
class Competitor:
    """One way to detect, and how it went.

    Attributes:
        seconds: of each picture.
        apart: the largest distance, pixels, of a box's edge from the first competitor's; None where a picture has
            another number of faces.
    """

    name: str
    detect: Callable[[Picture], tuple[Array, Array]]
    seconds: list[float] = field(default_factory=list)
    faces: int = 0
    apart: float | None = 0.0

    @property
    def pictures_a_second(self) -> float:
        return len(self.seconds) / sum(self.seconds)


def compare_backends(
    backends: Sequence[str], options: DetectorOptions, threads: int, left_out: Callable[[str, MtcnnError], None]
) -> list[Competitor]:
    """Those of the backends that are installed; the others are told to `left_out`. TrtMtcnn comes last.

    options: of all: a preset that the plain cascade knows, on the CPU.
    """
    params = options.params()
    found = []
    for backend in backends:
        try:
            networks = load(backend, threads)
        except MtcnnError as error:
            left_out(backend, error)
            continue
        found.append(Competitor(backend, partial(plain_cascade.detect, networks, p=params)))
    return [*found, Competitor(DETECTOR, options.make(threads).detect)]


def pictures_of(source: Path, most: int | None) -> Iterator[Picture]:
    """A film's pictures, or a picture again and again (30 times, where `most` does not say)."""
    from mtcnn.pipeline.film import Film
    from mtcnn.pipeline.formats import readable_suffixes
    from mtcnn.pipeline.read import read_picture

    if source.suffix.lower() in readable_suffixes():
        img = read_picture(source)
        yield from (img for _ in range(most or 30))
        return
    film = Film(str(source))
    try:
        for _ in range(most) if most else iter(int, 1):
            if (frame := film.read()) is None:
                return
            yield frame.img
    finally:
        film.close()


def number_of(source: Path, most: int | None) -> int | None:
    """How many pictures `pictures_of` gives, where that is known."""
    from mtcnn.pipeline.film import Film
    from mtcnn.pipeline.formats import readable_suffixes

    if source.suffix.lower() in readable_suffixes():
        return most or 30
    with closing(Film(str(source))) as film:
        return min(filter(None, (most, film.due)), default=None)


def race(
    competitors: Sequence[Competitor], pictures: Iterable[Picture], seen: Callable[[], None] = lambda: None
) -> None:
    """Each detects in every picture, a few at a time in turns, so that what else the machine does hits all alike.

    The first picture is detected twice before, uncounted.
    """
    left = iter(pictures)
    turn = 0
    while chunk := list(islice(left, TURN)):
        if not turn:
            for competitor in competitors:
                competitor.detect(chunk[0])
                competitor.detect(chunk[0])
        found: dict[str, list[Array]] = {}
        start = turn % len(competitors)
        for competitor in [*competitors[start:], *competitors[:start]]:
            found[competitor.name] = [_timed(competitor, img) for img in chunk]
        for competitor in competitors:
            for dets, first in zip(found[competitor.name], found[competitors[0].name], strict=True):
                competitor.apart = _farther(competitor.apart, dets, first)
        for _ in chunk:
            seen()
        turn += 1


def _timed(competitor: Competitor, img: Picture) -> Array:
    began = time.perf_counter()
    dets, _ = competitor.detect(img)
    competitor.seconds.append(time.perf_counter() - began)
    competitor.faces += len(dets)
    return dets


def _farther(apart: float | None, dets: Array, first: Array) -> float | None:
    if apart is None or len(dets) != len(first):
        return None
    return max(apart, float(np.abs(dets[:, :4] - first[:, :4]).max(initial=0)))
