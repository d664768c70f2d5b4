"""Backends in turns on the pictures of a film: the work of `mtcnn bench --backend`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtcnn.cli import plain_cascade
from mtcnn.cli.backends import load
from mtcnn.detector import TrtMtcnn
from mtcnn.errors import MtcnnError
from mtcnn.params import make_params

__all__ = ["DETECTOR", "Racer", "pictures_of", "race", "racers"]

DETECTOR = "TrtMtcnn"  # the whole detector, beside the backends in the plain cascade
TURN = 8  # pictures

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


@dataclass
class Racer:
    """One way to detect, and how it went.

    Attributes:
        seconds: of each picture.
        apart: the largest distance, pixels, of a box's edge from the first racer's; None where a picture has another
            number of faces.
    """

    name: str
    detect: Callable[[Picture], tuple[Array, Array]]
    seconds: list[float] = field(default_factory=list)
    faces: int = 0
    apart: float | None = 0.0

    @property
    def pictures_a_second(self) -> float:
        return len(self.seconds) / sum(self.seconds)


def racers(
    backends: Sequence[str], minsize: float, threads: int, left_out: Callable[[str, MtcnnError], None]
) -> list[Racer]:
    """Those of the backends that are installed; the others are told to `left_out`. TrtMtcnn comes last."""
    params = make_params("fast", {"minsize": minsize})
    found = []
    for backend in backends:
        try:
            networks = load(backend, threads)
        except MtcnnError as error:
            left_out(backend, error)
            continue
        found.append(Racer(backend, partial(plain_cascade.detect, networks, p=params)))
    detector = TrtMtcnn(device="cpu", preset="fast", threads=threads, minsize=minsize)
    return [*found, Racer(DETECTOR, detector.detect)]


def pictures_of(source: Path, most: int | None) -> Iterator[Picture]:
    """A film's pictures, or a picture again and again (30 times, where `most` does not say)."""
    from mtcnn.cli.film import Film
    from mtcnn.cli.pictures import SUFFIXES, read_picture

    if source.suffix.lower() in SUFFIXES:
        img = read_picture(source)
        yield from (img for _ in range(most or 30))
        return
    film = Film(str(source))
    try:
        for _ in range(most) if most else iter(int, 1):
            if (frame := film.read()) is None:
                return
            yield frame
    finally:
        film.close()


def race(runners: Sequence[Racer], pictures: Iterable[Picture], seen: Callable[[], None] = lambda: None) -> None:
    """Each detects in every picture, a few at a time in turns, so that what else the machine does hits all alike.

    The first picture is detected twice before, uncounted.
    """
    left = iter(pictures)
    turn = 0
    while chunk := list(islice(left, TURN)):
        if not turn:
            for runner in runners:
                runner.detect(chunk[0])
                runner.detect(chunk[0])
        found: dict[str, list[Array]] = {}
        start = turn % len(runners)
        for runner in [*runners[start:], *runners[:start]]:
            found[runner.name] = [_timed(runner, img) for img in chunk]
        for runner in runners:
            for dets, first in zip(found[runner.name], found[runners[0].name], strict=True):
                runner.apart = _farther(runner.apart, dets, first)
        for _ in chunk:
            seen()
        turn += 1


def _timed(runner: Racer, img: Picture) -> Array:
    began = time.perf_counter()
    dets, _ = runner.detect(img)
    runner.seconds.append(time.perf_counter() - began)
    runner.faces += len(dets)
    return dets


def _farther(apart: float | None, dets: Array, first: Array) -> float | None:
    if apart is None or len(dets) != len(first):
        return None
    return max(apart, float(np.abs(dets[:, :4] - first[:, :4]).max(initial=0)))
