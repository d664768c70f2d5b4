"""Which box of one picture is which of the next: the assignment with the greatest sum of overlaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.runtime.optional import import_optional

__all__ = ["assign", "nearness", "overlaps"]

Boxes = npt.NDArray[np.floating[Any]]

_MOST_RATIO = 1.6  # of the sides of what may be one face, half a second apart


def overlaps(a: Boxes, b: Boxes) -> npt.NDArray[np.float64]:
    """Intersection over union of boxes (n, 4) and (m, 4), (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    common = np.clip(high - low, 0, None).prod(axis=2)
    area_a, area_b = ((x[:, 2:4] - x[:, :2]).prod(axis=1) for x in (a, b))
    shares: npt.NDArray[np.float64] = common / np.maximum(area_a[:, None] + area_b[None] - common, 1e-9)
    return shares


def nearness(expected: Boxes, b: Boxes) -> npt.NDArray[np.float64]:
    """1 where centres are the same, 0 where they are a side of the expected box apart, or the sizes too different,
    (n, m)."""
    sides_a, sides_b = ((x[:, 2:4] - x[:, :2]).max(axis=1, initial=0) for x in (expected, b))
    ratios = np.maximum(sides_a, 1e-9)[:, None] / np.maximum(sides_b, 1e-9)[None]
    offsets = (expected[:, None, :2] + expected[:, None, 2:4] - b[None, :, :2] - b[None, :, 2:4]) / 2
    near = 1 - np.linalg.norm(offsets, axis=2) / np.maximum(sides_a, 1e-9)[:, None]
    alike = np.abs(np.log(ratios)) <= np.log(_MOST_RATIO)
    return np.where(alike, np.clip(near, 0, None), 0.0)


def assign(shares: npt.NDArray[np.float64], least: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns, each in one pair at most, whose share is at least `least`: by the Hungarian method.

    Raises:
        MtcnnError: SciPy is not installed.
    """
    solve = import_optional("scipy.optimize", "video").linear_sum_assignment
    if not shares.size:
        return []
    rows, columns = solve(np.where(shares >= least, shares, 0.0), maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if shares[i, j] >= least]
