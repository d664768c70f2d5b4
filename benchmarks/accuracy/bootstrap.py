"""Intervals of figures that are taken over pictures, by the bootstrap: B. Efron, R. Tibshirani, 1993, chapter 13.

Pictures are drawn with replacement, the same for every detector, so that the difference between two detectors has an
interval of its own: most of the spread is of the pictures and cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FALSE_POSITIVES", "Interval", "Outcomes", "box_figures", "difference", "draws", "interval", "share"]

FALSE_POSITIVES = (0.1, 0.25, 0.5, 1.0)  # an image, at which recall is taken
DRAWS, SEED = 2000, 20161121
LEVEL = 0.95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure, and the percentiles between which 95% of the draws lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcomes:
    """What a detector did on a set of pictures.

    Attributes:
        scores: (n,) of the detections that count, best first.
        right: (n,) bool: they found a face.
        image: (n,) the index of each one's picture.
        faces: (pictures,) labelled faces.
    """

    scores: Array
    right: NDArray[np.bool_]
    image: NDArray[np.int64]
    faces: Array


def draws(pictures: int, count: int = DRAWS) -> Array:
    """(count, pictures) how often each picture is drawn; the first row takes each once: the set itself."""
    random = np.random.default_rng(SEED)
    rows = [np.bincount(random.integers(0, pictures, pictures), minlength=pictures) for _ in range(count)]
    return np.array([np.ones(pictures), *rows], np.float64)


def box_figures(outcomes: Outcomes, weights: Array) -> dict[str, float]:
    """Average precision, and recall at each of FALSE_POSITIVES, with each picture counted `weights` times."""
    weight = weights[outcomes.image]
    hits, misses = np.cumsum(weight * outcomes.right), np.cumsum(weight * ~outcomes.right)
    recall = hits / max(float(weights @ outcomes.faces), 1e-9)
    wrong = misses / max(float(weights.sum()), 1e-9)
    figures = {"ap": _average_precision(recall, hits / np.maximum(hits + misses, 1e-9))}
    for most in FALSE_POSITIVES:
        within = int(np.searchsorted(wrong, most + 1e-9, side="right"))
        figures[f"recall_at_{most:g}"] = float(recall[within - 1]) if within else 0.0
    return figures


def _average_precision(recall: Array, precision: Array) -> float:
    """COCO's: the mean over 101 points of recall of the best precision at that recall or a higher one."""
    if not len(recall):
        return 0.0
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.where(places < len(best), best[np.minimum(places, len(best) - 1)], 0).mean())


def share(values: Array, of: Array, weights: Array) -> float:
    """The sum of `values` over that of `of`, one a picture each: a mean, where `of` counts."""
    return float(weights @ values / max(float(weights @ of), 1e-9))


def interval(figures: Sequence[float] | Array) -> Interval:
    """Of a figure in every draw, the set itself first."""
    low, high = np.quantile(np.asarray(figures[1:], np.float64), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(figures[0]), float(low), float(high))


def difference(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> dict[str, Interval]:
    """Of the figures that both have, in the same draws: the first's minus the second's."""
    return {name: interval(ours[name] - theirs[name]) for name in ours if name in theirs}
