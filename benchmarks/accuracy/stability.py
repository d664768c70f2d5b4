"""Stability: which faces are found wherever they lie on the grid of pixels, and at whatever scale.

A picture is seen in 19 views: without its first 0 to 3 columns and rows and its last 3 to 0, which moves it by single
pixels, 16 ways; and at 3 scales. A face that is found in some of them only flickers in a film.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["VIEWS", "found_faces", "views"]

SHIFTS = 4  # along each axis
SCALES = (0.9, 1.1, 1.2)
VIEWS = SHIFTS * SHIFTS + len(SCALES)
IOU = 0.5

Boxes = NDArray[np.float64]


def views(img: NDArray[np.uint8], faces: Boxes) -> Iterator[tuple[NDArray[np.uint8], Boxes]]:
    """Each view of a picture, with its labelled faces (n, 4) x, y, width, height in the view's pixels."""
    height, width = img.shape[:2]
    lost = SHIFTS - 1
    for dy in range(SHIFTS):
        for dx in range(SHIFTS):
            part = np.ascontiguousarray(img[dy : height - lost + dy, dx : width - lost + dx])
            yield part, faces - np.array([dx, dy, 0, 0])
    for scale in SCALES:
        h, w = round(height * scale), round(width * scale)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        view = np.asarray(cv2.resize(img, (w, h), interpolation=method), np.uint8)
        yield view, faces * (np.array([w, h, w, h]) / [width, height, width, height])


def found_faces(dets: Boxes, faces: Boxes) -> NDArray[np.bool_]:
    """Which faces, (n, 4) x, y, width, height, a detection (x1, y1, x2, y2, inclusive) overlaps by 0.5 or more."""
    far, corner = dets[:, np.newaxis, 2:4] + 1, faces[:, :2] + faces[:, 2:]
    shared = np.minimum(far, corner) - np.maximum(dets[:, np.newaxis, :2], faces[:, :2])
    common = np.maximum(shared, 0).prod(axis=2)
    both = (dets[:, 2:4] + 1 - dets[:, :2]).prod(axis=1)[:, np.newaxis] + faces[:, 2:].prod(axis=1) - common
    return np.asarray((common >= IOU * both).any(axis=0))
