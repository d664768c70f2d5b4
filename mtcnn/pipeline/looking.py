"""Which pictures of a film are detected in, and what becomes of the faces between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mtcnn.detector import TrtMtcnn
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.records import faces_as_json

__all__ = ["EveryNth", "Look", "Seen", "seen_as_json"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """The faces of a picture.

    Attributes:
        dets, landmarks: (n, 5) and (n, 10), as from ``detect``.
        ids: (n,) of persons, where they are tracked.
        detected: the picture was looked at; else its faces are those that were near.
    """

    dets: Array
    landmarks: Array
    ids: npt.NDArray[np.int64] | None = None
    detected: bool = True

    def labels(self) -> list[str] | None:
        """What is written at each face; None: its score."""
        return None if self.ids is None else [f"{i}" for i in self.ids.tolist()]


Look: TypeAlias = Callable[[FilmFrame], Seen]


class EveryNth:
    """Detects in every N-th of the pictures that come; those between show the faces before them."""

    def __init__(self, detector: TrtMtcnn, every: int = 1) -> None:
        self._detector, self._every = detector, every
        self._count = 0
        self._found = np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)

    def __call__(self, frame: FilmFrame) -> Seen:
        is_looked_at = self._count % self._every == 0
        self._count += 1
        if is_looked_at:
            self._found = self._detector.detect(frame.img)
        return Seen(*self._found, detected=is_looked_at)


def seen_as_json(frame: FilmFrame, seen: Seen) -> dict[str, Any] | None:
    """A line about a picture; None for one that nothing was done with."""
    if seen.ids is None and not seen.detected:
        return None
    faces = faces_as_json(seen.dets, seen.landmarks)
    if seen.ids is not None:
        faces = [{"id": number} | face for number, face in zip(seen.ids.tolist(), faces, strict=True)]
    line = {"frame": frame.index, "seconds": round(frame.seconds, 3)}
    return line | ({} if seen.detected else {"detected": False}) | {"faces": faces}
