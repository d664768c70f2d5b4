"""What a tracker knows of the faces of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Tracks"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tracks:
    """The faces of a picture, row by row the same one; oldest first.

    Attributes:
        ids: (n,) int64, from 1 on; no number comes again.
        dets: (n, 5) [x1, y1, x2, y2, score], as from ``detect``; of carried ones where they should be, with the last
            score.
        landmarks: (n, 10) [x1..x5, y1..y5], smoothed.
        found: (n,) bool; False: not found in this picture, but carried through a gap.
        detected: all of the picture was looked at, not only where faces were expected.
    """

    ids: npt.NDArray[np.int64]
    dets: Array
    landmarks: Array
    found: npt.NDArray[np.bool_]
    detected: bool = True

    def select(self, rows: npt.NDArray[Any]) -> Tracks:
        """Those of a mask, or of indices."""
        return Tracks(self.ids[rows], self.dets[rows], self.landmarks[rows], self.found[rows], self.detected)

    def without(self, ids: npt.NDArray[np.int64]) -> Tracks:
        return self.select(~np.isin(self.ids, ids))

    def joined(self, other: Tracks) -> Tracks:
        """With the faces of another, by their numbers."""
        ids, dets, landmarks, found = (
            np.concatenate([getattr(tracks, name) for tracks in (self, other)])
            for name in ("ids", "dets", "landmarks", "found")
        )
        return Tracks(ids, dets, landmarks, found, self.detected).select(np.argsort(ids))

    def __len__(self) -> int:
        return len(self.ids)
