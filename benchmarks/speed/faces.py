"""Whether two detectors found the same faces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Agreement", "agreement", "match", "overlaps"]

IOU = 0.5


@dataclass(frozen=True)
class Agreement:
    """Faces that both found, that only the reference found, and that only the other found."""

    found: int = 0
    missed: int = 0
    extra: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.found + other.found, self.missed + other.missed, self.extra + other.extra)


def overlaps(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of boxes (n, >= 4) and (m, >= 4) [x1, y1, x2, y2], inclusive pixels: (n, m)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    a, b = a[:, :4], b[:, :4]
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low + 1, 0, None).prod(-1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2] + 1, 0, None).prod(-1) for boxes in (a, b)]
    return np.asarray(both / np.maximum(areas[0][:, None] + areas[1][None, :] - both, 1e-9))


def match(reference: ArrayLike, dets: ArrayLike) -> list[tuple[int, int]]:
    """Pairs (i, j) of boxes that overlap by at least 0.5, the largest overlaps first, each box in one pair."""
    iou = overlaps(reference, dets)
    pairs: list[tuple[int, int]] = []
    while iou.size and iou.max() >= IOU:
        i, j = (int(k) for k in np.unravel_index(iou.argmax(), iou.shape))
        pairs.append((i, j))
        iou[i, :] = iou[:, j] = -1
    return pairs


def agreement(reference: Iterable[ArrayLike], dets: Iterable[ArrayLike]) -> Agreement:
    """Over pictures: the boxes of each, by the reference and by the other."""
    total = Agreement()
    for theirs, ours in zip(reference, dets, strict=True):
        pairs = len(match(theirs, ours))
        total += Agreement(pairs, len(np.asarray(theirs)) - pairs, len(np.asarray(ours)) - pairs)
    return total
