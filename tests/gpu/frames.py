"""Pictures that need no data beside the project's own photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]

Image = NDArray[np.uint8]


def read(path: str) -> Image:
    img = cv2.imread(path)
    assert img is not None, path
    return np.asarray(img, np.uint8)


@cache
def astronaut() -> Image:
    """One face, about 80 pixels wide, in 512 x 512."""
    img = read(str(ROOT / "docs" / "images" / "astronaut.jpg"))
    img.flags.writeable = False
    return img


def tiled(height: int, width: int, tile: Image, rows: int, columns: int) -> Image:
    """`tile`, cut where it is too large, in rows and columns on grey."""
    img = np.full((height, width, 3), 128, np.uint8)
    h, w = height // rows, width // columns
    part = tile[:h, :w]
    for y in range(rows):
        for x in range(columns):
            img[y * h : y * h + part.shape[0], x * w : x * w + part.shape[1]] = part
    return img


def frame_1080p() -> Image:
    """Fourteen faces in 1920 x 1080."""
    return tiled(1080, 1920, astronaut()[:, 90:364], 2, 7)


def frame_720p() -> Image:
    """Eight faces in 1280 x 720."""
    return tiled(720, 1280, astronaut()[:360, 60:380], 2, 4)


def portrait() -> Image:
    """Six faces in 540 x 1080, some cut off."""
    return tiled(1080, 540, astronaut()[:, 100:], 3, 2)


def gradient(height: int = 300, width: int = 400) -> Image:
    """No face."""
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * x // max(width - 1, 1), 255 * y // max(height - 1, 1), (x + 2 * y) % 256], axis=2).astype(
        np.uint8
    )


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


FRAMES: Mapping[str, Callable[[], Image]] = {
    "astronaut": astronaut,
    "1080p": frame_1080p,
    "720p": frame_720p,
    "portrait": portrait,
    "no face": gradient,
}
