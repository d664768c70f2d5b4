"""Faces as objects, for programs that want them; the arrays of ``detect`` are the fast way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.align import FaceAligner
from mtcnn.landmarks import FivePoints, points
from mtcnn.params import Template
from mtcnn.quality import FaceQuality, face_quality

__all__ = ["Face", "make_faces"]


@dataclass(frozen=True, eq=False, repr=False)
class Face:
    """A face in a picture.

    Attributes:
        box: (4,) float32 ``[x1, y1, x2, y2]``, pixels of the picture, which it may reach beyond.
        score: how sure the network is, 0 to 1.
        points: (5, 2) float32 ``[x, y]``: left eye, right eye (as the viewer sees them), nose, left and right corner of
            the mouth.
        picture: BGR uint8 (H, W, 3), which the face is in and which lives as long as it does.
    """

    box: npt.NDArray[np.float32]
    score: float
    points: npt.NDArray[np.float32]
    picture: npt.NDArray[np.uint8] = field(compare=False)

    def crop(self, margin: float = 0) -> npt.NDArray[np.uint8]:
        """Return what the box shows, BGR uint8, as far as it lies in the picture: at least one pixel.

        Args:
            margin: how much more to show, as a share of the box's sides added on each side, 0 to 4.
        """
        share = checks.number(margin, "margin", 0, 4)
        x1, y1, x2, y2 = map(float, self.box)
        columns = _pixels(x1 - share * (x2 - x1), x2 + share * (x2 - x1), self.picture.shape[1])
        rows = _pixels(y1 - share * (y2 - y1), y2 + share * (y2 - y1), self.picture.shape[0])
        return np.ascontiguousarray(self.picture[rows, columns])

    def align(
        self, size: tuple[int, int] | int | None = None, margin: float = 0, template: Template | FivePoints = "seed"
    ) -> npt.NDArray[np.uint8]:
        """Return the face as :class:`mtcnn.FaceAligner`, which takes the same arguments, cuts it out."""
        return FaceAligner(size, margin, template).align(self.picture, self.points)

    def quality(self) -> FaceQuality:
        """Return how good this picture of the face is: pose, sharpness, size, and one number of all these."""
        return face_quality(self.picture, [*self.box, self.score], self.points)

    def __repr__(self) -> str:
        x1, y1, x2, y2 = self.box
        return f"Face(box=({x1:.1f}, {y1:.1f}, {x2:.1f}, {y2:.1f}), score={self.score:.3f})"


def make_faces(
    picture: npt.NDArray[np.uint8], dets: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32]
) -> list[Face]:
    """Return what ``detect`` found in a picture, BGR uint8 (H, W, 3), as objects, in its order."""
    return [
        Face(row[:4].copy(), float(row[4]), five, picture) for row, five in zip(dets, points(landmarks), strict=True)
    ]


def _pixels(low: float, high: float, length: int) -> slice:
    first = min(max(math.floor(low), 0), length - 1)
    return slice(first, min(max(math.ceil(high), first + 1), length))
