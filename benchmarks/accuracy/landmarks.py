"""Error of the five points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PointScores", "nearest_face", "point_error", "point_scores", "scatter_in_draws"]


@dataclass(frozen=True)
class PointScores:
    """`nme`: mean error over the pictures in which a face was found, % of the distance between the eyes;
    `interval`: its 95% by bootstrap over the pictures; `scatter`: the same once each point's mean offset, which is a
    matter of what the labels mean, is taken off; `missed`: pictures without a face."""

    nme: float
    interval: tuple[float, float]
    scatter: float
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


def point_scores(found: list[ArrayLike | None], truth: ArrayLike) -> PointScores:
    """Of every picture the points found, (10,), None where no face was, and those labelled, (n, 10)."""
    pairs = [(f, t) for f, t in zip(found, np.asarray(truth, np.float64), strict=True) if f is not None]
    missed = len(found) - len(pairs)
    if not pairs:
        return PointScores(float("nan"), (float("nan"), float("nan")), float("nan"), missed)
    errors = np.array([point_error(f, t) for f, t in pairs])
    draws = np.random.default_rng(0).integers(0, len(errors), (2000, len(errors)))
    low, high = np.percentile(errors[draws].mean(axis=1), [2.5, 97.5])
    shifts = _shifts(pairs)
    return PointScores(float(errors.mean()), (float(low), float(high)), _scatter(shifts, np.ones(len(shifts))), missed)


def scatter_in_draws(
    found: list[ArrayLike | None], truth: ArrayLike, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The scatter with each picture counted as a row of `weights`, (draws, pictures), has it."""
    seen = [i for i, points in enumerate(found) if points is not None]
    labels = np.asarray(truth, np.float64)
    if not seen:
        return np.full(len(weights), np.nan)
    shifts = _shifts([(found[i], labels[i]) for i in seen])
    return np.array([_scatter(shifts, row) for row in weights[:, seen]])


def _shifts(pairs: Sequence[tuple[Any, Any]]) -> NDArray[np.float64]:
    """(n, 2, 5): how far points lie from their labels, in distances of the eyes."""
    ours, theirs = (np.array(side, np.float64).reshape(-1, 2, 5) for side in zip(*pairs, strict=True))
    eyes = np.hypot(*(theirs[:, :, 0] - theirs[:, :, 1]).T)
    return np.asarray((ours - theirs) / eyes[:, np.newaxis, np.newaxis], np.float64)


def _scatter(shifts: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    rest = shifts - np.tensordot(weights, shifts, 1) / weights.sum()
    return float(100 * (weights @ np.hypot(rest[:, 0], rest[:, 1]).mean(axis=1)) / weights.sum())
