"""Box arithmetic. Boxes are (n, 4) float32 x1, y1, x2, y2 in pixels, inclusive: a box is x2 - x1 + 1 wide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def sides(boxes: Array) -> tuple[Array, Array]:
    """Widths and heights, (n,) each."""
    return boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1


def regress(boxes: Array, reg: Array, w: Array | float, h: Array | float) -> Array:
    """Move each edge by its regression (n, 4) dx1, dy1, dx2, dy2, in units of w and h."""
    moved = boxes.copy()
    moved[:, 0::2] += reg[:, 0::2] * np.reshape(w, (-1, 1))
    moved[:, 1::2] += reg[:, 1::2] * np.reshape(h, (-1, 1))
    return moved


def is_proper(boxes: Array) -> NDArray[np.bool_]:
    """Which boxes have a positive width and height."""
    w, h = sides(boxes)
    return (w > 0) & (h > 0)


def square(boxes: Array, scale: float = 1) -> tuple[Array, Array]:
    """The squares about the boxes' centres, and their sides (n,): `scale` times the longer side of each box."""
    w, h = sides(boxes)
    side = np.maximum(w, h) * np.float32(scale)
    x1 = boxes[:, 0] + (w - side) / 2
    y1 = boxes[:, 1] + (h - side) / 2
    return np.stack([x1, y1, x1 + side - 1, y1 + side - 1], axis=1), side


def truncate_and_clip(xs: Array, ys: Array, width: int, height: int) -> None:
    """In place: toward zero to whole pixels, then into the image."""
    xs[...] = np.trunc(xs).clip(0, width - 1)
    ys[...] = np.trunc(ys).clip(0, height - 1)


def whole_windows(boxes: Array) -> NDArray[np.int64]:
    """Crop windows (n, 4) x, y, w, h of boxes that are whole pixels already."""
    w, h = sides(boxes)
    return np.stack([boxes[:, 0], boxes[:, 1], w, h], axis=1).astype(np.int64)


def rounded_squares(squares: Array, side: Array) -> Array:
    """Squares in whole pixels: corner and side to the nearest pixel (halves up), at least 1x1."""
    corner = np.floor(squares[:, :2] + np.float32(0.5))
    length = np.maximum(np.floor(side + np.float32(0.5)), 1)[:, np.newaxis]
    return np.concatenate([corner, corner + length - 1], axis=1).astype(np.float32)
