"""Made-up pictures."""

from __future__ import annotations

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from tests.conftest import HAS_OPENCV

Image = NDArray[np.uint8]


def noise(height: int, width: int, grain: int = 1, seed: int = 0) -> Image:
    """Random colours in squares of `grain` pixels."""
    small = np.random.default_rng(seed).integers(0, 256, (-(-height // grain), -(-width // grain), 3), dtype=np.uint8)
    return np.ascontiguousarray(small.repeat(grain, axis=0).repeat(grain, axis=1)[:height, :width])


def gradient(height: int, width: int) -> Image:
    y, x = np.mgrid[:height, :width]
    channels = (255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1), (x + 2 * y) % 256)
    return np.stack(channels, axis=2).astype(np.uint8)


def checkerboard(height: int, width: int, square: int) -> Image:
    y, x = np.mgrid[:height, :width] // square
    return np.repeat(((x + y) % 2 * 255).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def scaled(img: Image, side: int) -> Image:
    """`img` with its longer side `side` pixels long."""
    by = side / max(img.shape[:2])
    size = max(1, round(img.shape[1] * by)), max(1, round(img.shape[0] * by))
    if not HAS_OPENCV:
        return np.asarray(PIL.Image.fromarray(img).resize(size, PIL.Image.Resampling.BOX))
    import cv2

    return np.asarray(cv2.resize(img, size, interpolation=cv2.INTER_AREA), np.uint8)


def tiled(tile: Image, rows: int, columns: int) -> Image:
    return np.tile(tile, (rows, columns, 1))


def paste(canvas: Image, img: Image, x: int, y: int) -> None:
    """Put `img` on `canvas` with its corner at (x, y); what is beyond the border is lost."""
    height, width = canvas.shape[:2]
    x1, y1 = max(x, 0), max(y, 0)
    x2, y2 = min(x + img.shape[1], width), min(y + img.shape[0], height)
    if x1 < x2 and y1 < y2:
        canvas[y1:y2, x1:x2] = img[y1 - y : y2 - y, x1 - x : x2 - x]
