"""How well tracks agree with what is known of a film: switches of numbers, fragments, recall.

Who is who is told as by CLEAR MOT: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance",
EURASIP Journal on Image and Video Processing 2008: a person keeps the track of the picture before as long as they
overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mtcnn.tracking.association import assign, overlaps
from mtcnn.tracking.tracks import Tracks

__all__ = ["Agreement", "agreement"]

LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class Agreement:
    """Of tracks with the faces of a film.

    Attributes:
        faces, found, extra: how many there are, how many of them have a track, how many faces of tracks are none of
            them.
        switches: how often a person's number changed.
        fragments: how often a person that had a track lost it, and had one again.
        ids: how many numbers were given.
    """

    faces: int
    found: int
    extra: int
    switches: int
    fragments: int
    ids: int

    @property
    def recall(self) -> float:
        return self.found / max(self.faces, 1)


def agreement(
    truth: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]], tracks: Sequence[Tracks]
) -> Agreement:
    """truth: for each picture the persons' numbers (n,) and boxes (n, 4), which also are of pictures that follow."""
    faces = found = extra = switches = fragments = 0
    last: dict[int, int] = {}  # a person's number among the tracks
    lost: set[int] = set()
    ids: set[int] = set()
    for (persons, boxes), seen in zip(truth, tracks, strict=True):
        shares = overlaps(boxes, seen.dets)
        as_before = np.array([last.get(int(p)) for p in persons], object)[:, None] == seen.ids[None]
        shares += np.where(as_before & (shares >= LEAST_OVERLAP), 10.0, 0.0)
        pairs = assign(shares, LEAST_OVERLAP)
        faces += len(persons)
        found += len(pairs)
        extra += len(seen) - len(pairs)
        ids.update(seen.ids.tolist())
        now = {int(persons[i]): int(seen.ids[j]) for i, j in pairs}
        for person, number in now.items():
            switches += last.get(person, number) != number
            fragments += person in lost
        lost -= now.keys()
        lost |= {int(p) for p in persons} & last.keys() - now.keys()
        last |= now
    return Agreement(faces, found, extra, switches, fragments, len(ids))
