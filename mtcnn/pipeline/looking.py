"""Which pictures of a film are detected in, and what becomes of the faces between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mtcnn.detector import TrtMtcnn
from mtcnn.images import dark_pictures
from mtcnn.pipeline.film_frame import FilmFrame
from mtcnn.pipeline.records import faces_as_json
from mtcnn.tracking import Tracker, Tracks

__all__ = ["EveryNth", "Look", "Seen", "Tracked", "seen_as_json"]

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


Look: TypeAlias = Callable[[Iterator[FilmFrame]], Iterator[tuple[FilmFrame, Seen]]]


class EveryNth:
    """Detects in every N-th of the pictures that come; those between show the faces before them."""

    def __init__(self, detector: TrtMtcnn, every: int = 1) -> None:
        self._detector, self._every = detector, every

    def __call__(self, frames: Iterator[FilmFrame]) -> Iterator[tuple[FilmFrame, Seen]]:
        found = np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)
        for i, frame in enumerate(frames):
            if i % self._every == 0:
                with dark_pictures():  # as where a film fades
                    found = self._detector.detect(frame.img)
            yield frame, Seen(*found, detected=i % self._every == 0)


class Tracked:
    """Follows faces from picture to picture.

    Args:
        late: pictures may come some later than they are read, with what only later ones tell: see Tracker.follow.
    """

    def __init__(self, tracker: Tracker, *, late: bool) -> None:
        self._tracker, self._late = tracker, late

    def __call__(self, frames: Iterator[FilmFrame]) -> Iterator[tuple[FilmFrame, Seen]]:
        if not self._late:
            for frame in frames:
                yield frame, _as_seen(self._tracker.step(frame.img, frame.seconds))
            return
        waiting: deque[FilmFrame] = deque()

        def pictures() -> Iterator[tuple[Any, float]]:
            for frame in frames:
                waiting.append(frame)
                yield frame.img, frame.seconds

        for tracks in self._tracker.follow(pictures()):
            yield waiting.popleft(), _as_seen(tracks)


def _as_seen(tracks: Tracks) -> Seen:
    return Seen(tracks.dets, tracks.landmarks, tracks.ids, tracks.detected)


def seen_as_json(frame: FilmFrame, seen: Seen) -> dict[str, Any] | None:
    """A line about a picture; None for one that nothing was done with."""
    if seen.ids is None and not seen.detected:
        return None
    faces = faces_as_json(seen.dets, seen.landmarks)
    if seen.ids is not None:
        faces = [{"id": number} | face for number, face in zip(seen.ids.tolist(), faces, strict=True)]
    line = {"frame": frame.index, "seconds": round(frame.seconds, 3)}
    return line | ({} if seen.detected else {"detected": False}) | {"faces": faces}
