"""How the pictures of a film are turned to be looked at: the display matrix that phones write beside them."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from mtcnn.pipeline.read import Picture

__all__ = ["UPRIGHT", "Orientation", "orientation", "quarter_turns"]


class Orientation(NamedTuple):
    """Rows and columns swapped first, then each mirrored."""

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, img: Picture) -> Picture:
        if self == UPRIGHT:
            return img
        turned = img.transpose(1, 0, 2) if self.swap else img
        return np.ascontiguousarray(turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])


UPRIGHT = Orientation()


def orientation(matrix: bytes | None) -> Orientation:
    """Of a display matrix as ffmpeg hands it on: nine 32-bit numbers a b u, c d v, x y w; the pixel (p, q) is shown at
    (a p + c q, b p + d q). Turns between quarters are taken for the nearest."""
    if matrix is None or len(matrix) < 36:
        return UPRIGHT
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    if a == b == c == d == 0:
        return UPRIGHT
    swap = abs(b) + abs(c) > abs(a) + abs(d)
    return Orientation(True, c < 0, b < 0) if swap else Orientation(False, a < 0, d < 0)


def quarter_turns(degrees: int) -> Orientation:
    """Of a turn counter-clockwise, taken for the nearest of quarters."""
    turns = (UPRIGHT, Orientation(True, False, True), Orientation(False, True, True), Orientation(True, True, False))
    return turns[round(degrees / 90) % 4]
