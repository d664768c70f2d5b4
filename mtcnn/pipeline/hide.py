"""Faces hidden for good: what is written depends on so few numbers of each face that none of its pixels comes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.images.resize import resize_linear
from mtcnn.pipeline.read import Picture

__all__ = ["SHAPES", "WAYS", "Hiding", "hide"]

WAYS = ("blur", "pixelate", "fill")
SHAPES = ("ellipse", "box")

_CELLS = 6  # along the longer side of what is hidden
_LEAST_CELL = 4  # pixels


@dataclass(frozen=True)
class Hiding:
    """How faces are hidden.

    Attributes:
        way: "pixelate" leaves the means of 6 x 6 cells or less, "blur" the same without their edges, "fill" nothing.
        shape: "ellipse" or "box".
        margin: share of the box's sides added on each side; from 0.21 on an ellipse covers all of the box.
    """

    way: str = "blur"
    shape: str = "ellipse"
    margin: float = 0.3

    def __post_init__(self) -> None:
        checks.choice(self.way, "way", WAYS)
        checks.choice(self.shape, "shape", SHAPES)
        checks.number(self.margin, "margin", 0, 4)


def hide(img: Picture, boxes: Iterable[npt.NDArray[np.floating]], hiding: Hiding) -> Picture:
    """A copy of a BGR picture without those faces; boxes [x1, y1, x2, y2], which may lie outside."""
    hidden = np.ascontiguousarray(img).copy()
    for box in boxes:
        _hide_one(hidden, np.asarray(box[:4], np.float64), hiding)
    return hidden


def _hide_one(img: Picture, box: npt.NDArray[np.float64], hiding: Hiding) -> None:
    centre = (box[:2] + box[2:] + 1) / 2
    half = (box[2:] - box[:2] + 1) * (0.5 + hiding.margin)
    if not np.isfinite(box).all() or (half <= 0).any():
        return
    height, width = img.shape[:2]
    low = np.clip(np.floor(centre - half), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(centre + half), 0, (width, height)).astype(int)
    (x1, y1), (x2, y2) = low, high
    if x1 >= x2 or y1 >= y2:
        return
    region = img[y1:y2, x1:x2]
    if hiding.way == "fill":
        covered: Picture = np.zeros_like(region)
    else:
        covered = _coarse(region, smooth=hiding.way == "blur")
    if hiding.shape == "box":
        region[:] = covered
        return
    x = (np.arange(x1, x2) + 0.5 - centre[0]) / half[0]
    y = (np.arange(y1, y2) + 0.5 - centre[1]) / half[1]
    inside = x[None] ** 2 + y[:, None] ** 2 <= 1
    region[inside] = covered[inside]


def _coarse(region: Picture, *, smooth: bool) -> Picture:
    """What the means of its cells tell of a picture."""
    height, width = region.shape[:2]
    cell = max(_LEAST_CELL, -(-max(height, width) // _CELLS))
    rows, columns = (np.arange(0, n, cell)[: max(1, n // cell)] for n in (height, width))  # the last takes the rest
    sums = np.add.reduceat(np.add.reduceat(region.astype(np.int64), rows, axis=0), columns, axis=1)
    sides = [np.diff(np.append(edges, n)) for edges, n in ((rows, height), (columns, width))]
    means = (sums / (sides[0][:, None] * sides[1][None])[:, :, None]).round().astype(np.uint8)
    if not smooth:
        return np.asarray(means.repeat(sides[0], axis=0).repeat(sides[1], axis=1), np.uint8)
    return resize_linear(means, height, width)
