"""Error of the five points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PointScores", "nearest_face", "point_error", "point_scores"]


@dataclass(frozen=True)
class PointScores:
    """`nme`: mean error over the pictures in which a face was found, % of the distance between the eyes; `missed`:
    pictures in which none was."""

    nme: float
    missed: int


def point_error(found: ArrayLike, truth: ArrayLike) -> float:
    """Mean distance of the five points from those labelled, in % of the labelled distance between the eyes.

    Both are (10,) x1..x5, y1..y5, eyes first.
    """
    ours, theirs = np.asarray(found, np.float64), np.asarray(truth, np.float64)
    distances = np.hypot(ours[:5] - theirs[:5], ours[5:] - theirs[5:])
    return float(100 * distances.mean() / np.hypot(theirs[0] - theirs[1], theirs[5] - theirs[6]))


def nearest_face(dets: NDArray[np.float64], truth: ArrayLike) -> int | None:
    """The detection whose box is centred nearest the labelled points' mean; None if there is none."""
    if not len(dets):
        return None
    points = np.asarray(truth, np.float64).reshape(2, 5)
    centres = (dets[:, :2] + dets[:, 2:4]) / 2
    return int(np.hypot(*(centres - points.mean(axis=1)).T).argmin())


def point_scores(errors: list[float | None]) -> PointScores:
    """Of every picture its error, None where no face was found."""
    found = [error for error in errors if error is not None]
    return PointScores(float(np.mean(found)) if found else float("nan"), len(errors) - len(found))
