"""Which distance still means the same person: chosen on labelled pairs, judged on pairs held out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mtcnn import checks

__all__ = ["CrossValidation", "best_threshold", "cross_validate"]


@dataclass(frozen=True)
class CrossValidation:
    """What a threshold is worth on pairs that it was not chosen on.

    Attributes:
        accuracy: mean share of the held-out pairs that are judged rightly.
        std: standard deviation of that share over the folds.
        threshold: the best one over all pairs: the one to use.
        accuracies: the share in each fold.
        right: whether each pair, held out, is judged rightly, in the order given.
    """

    accuracy: float
    std: float
    threshold: float
    accuracies: tuple[float, ...]
    right: tuple[bool, ...] = field(repr=False)


def cross_validate(distances: npt.ArrayLike, same: npt.ArrayLike, folds: int = 10) -> CrossValidation:
    """Judge each fold of the pairs by the threshold that is best on the others.

    Fold k holds every ``folds``-th pair of one person from the k-th on, and every ``folds``-th of two: the same
    folds every time, each with its share of both kinds.

    Args:
        distances: (n,) of the pairs; NaN, no face found, is never the same person.
        same: (n,) whether each pair shows one person.
        folds: 2 up.

    Raises:
        TypeError, ValueError: unequal lengths, or fewer pairs of a kind than folds.
    """
    folds = checks.whole(folds, "folds", 2, 1_000_000)
    values, labels = _pairs(distances, same)
    fold_of = np.empty(len(labels), np.int64)
    for kind in (True, False):
        mine = np.flatnonzero(labels == kind)
        if len(mine) < folds:
            raise ValueError(f"{folds} folds need as many pairs of one person and of two, got {len(mine)}")
        fold_of[mine] = np.arange(len(mine)) % folds
    accuracies = []
    right = np.empty(len(labels), bool)
    for fold in range(folds):
        held_out = fold_of == fold
        threshold, _ = best_threshold(values[~held_out], labels[~held_out])
        right[held_out] = (values[held_out] <= threshold) == labels[held_out]
        accuracies.append(float(right[held_out].mean()))
    threshold, _ = best_threshold(values, labels)
    return CrossValidation(
        float(np.mean(accuracies)), float(np.std(accuracies)), threshold, tuple(accuracies), tuple(right.tolist())
    )


def best_threshold(distances: npt.ArrayLike, same: npt.ArrayLike) -> tuple[float, float]:
    """Return the threshold that judges most pairs rightly, and the share of them.

    Of equally good ones it is the middle of the widest gap between two distances. Arguments as in
    `cross_validate`.
    """
    values, labels = _pairs(distances, same)
    order = np.argsort(values, kind="stable")
    sorted_values, sorted_labels = values[order], labels[order]
    # up to the i-th distance "same", from there on "different"
    right = np.cumsum(sorted_labels)[:-1] + (~sorted_labels).sum() - np.cumsum(~sorted_labels)[:-1]
    gaps = np.diff(sorted_values)
    right = np.where(gaps > 0, right, -1)
    best = np.flatnonzero(right == right.max())
    widest = best[np.argmax(gaps[best])]
    low, high = sorted_values[widest], sorted_values[widest + 1]
    threshold = float((low + high) / 2)
    return threshold, float(((values <= threshold) == labels).mean())


def _pairs(distances: npt.ArrayLike, same: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    values, labels = np.asarray(distances, np.float64), np.asarray(same)
    if values.ndim != 1 or values.shape != labels.shape:
        raise ValueError(f"distances and same must be (n,) each, got {values.shape} and {labels.shape}")
    if labels.dtype.kind not in "biu":
        raise TypeError(f"same must hold booleans or 0 and 1, got dtype {labels.dtype}")
    unknown = np.isnan(values)
    values = np.where(unknown, 0, values)
    values[unknown] = values.max(initial=0) + 1  # beyond any threshold
    if len(np.unique(values)) < 2 or not np.isfinite(values).all():
        raise ValueError("distances must be finite, or NaN, and not all equal")
    return values, labels.astype(bool)
