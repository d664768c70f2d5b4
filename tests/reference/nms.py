"""Greedy non-maximum suppression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .boxes import sides


def overlaps(box: NDArray[np.float32], boxes: NDArray[np.float32], method: str) -> NDArray[np.float32]:
    """Overlap of `box` (4,) with each of `boxes` (n, 4), areas counted in whole pixels inclusively.

    `method` is "union" (intersection over union) or "min" (intersection over the smaller area).
    """
    w, h = sides(boxes)
    area = w * h
    own = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    common_w = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0]) + 1
    common_h = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1]) + 1
    common = np.maximum(common_w, 0) * np.maximum(common_h, 0)
    if method == "union":
        of: NDArray[np.float32] = own + area - common
    elif method == "min":
        of = np.minimum(own, area)
    else:
        raise ValueError(f'method must be "union" or "min", not {method!r}')
    # boxes without area have nothing in common with any
    shares: NDArray[np.float32] = np.divide(common, of, out=np.zeros_like(common), where=common > 0)
    return shares


def nms(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], threshold: float, method: str = "union"
) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best score first; among equal scores the lower index goes first.

    A box goes when its overlap with a better one that stays is greater than `threshold`.
    """
    waiting = np.argsort(-scores, kind="stable")
    keep = []
    while waiting.size:
        best, waiting = waiting[0], waiting[1:]
        keep.append(best)
        waiting = waiting[overlaps(boxes[best], boxes[waiting], method) <= threshold]
    return np.array(keep, dtype=np.intp)
