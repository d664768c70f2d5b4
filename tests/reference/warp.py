"""A plain bilinear warp, to compare the native one with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def warp_affine(
    img: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], height: int, width: int
) -> npt.NDArray[np.uint8]:
    """Sample ``img`` (H, W, 3) where the inverse of ``matrix`` (2, 3), input to output pixels, says.

    Pixel centres are whole numbers. Outside is zero, and what lies half over the border mixes with it.
    """
    inverse = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))
    y_out, x_out = np.mgrid[:height, :width]
    x, y, _ = np.tensordot(inverse, np.stack([x_out, y_out, np.ones_like(x_out)]), axes=1)
    left, top = np.floor(x), np.floor(y)
    right_share, bottom_share = x - left, y - top
    total = np.zeros((height, width, 3))
    for dy, share_y in ((0, 1 - bottom_share), (1, bottom_share)):
        for dx, share_x in ((0, 1 - right_share), (1, right_share)):
            total += _pixels_or_zero(img, left + dx, top + dy) * (share_x * share_y)[:, :, None]
    return np.floor(total + 0.5).astype(np.uint8)


def _pixels_or_zero(
    img: npt.NDArray[np.uint8], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    rows, columns = img.shape[:2]
    inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    xi, yi = np.where(inside, x, 0).astype(np.int64), np.where(inside, y, 0).astype(np.int64)
    return np.where(inside[:, :, None], img[yi, xi], 0.0)
