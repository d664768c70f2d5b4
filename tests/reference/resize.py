"""Resampling as a product with one matrix of weights an axis, and the mip images that "area" starts from."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) BGR
Planes = NDArray[np.float64]  # (3, h, w) BGR, 0 to 255, not rounded


class Mips:
    """An image and its successive halves, each made when first asked for."""

    def __init__(self, img: Image) -> None:
        self.height, self.width = img.shape[:2]
        self._mips = [img]

    def __getitem__(self, k: int) -> Image:
        while len(self._mips) <= k:
            self._mips.append(halve(self._mips[-1]))
        return self._mips[k]


def halve(img: Image) -> Image:
    """Average 2x2 pixels (halves up), (H, W, 3) -> (ceil(H/2), ceil(W/2), 3), odd edges with themselves."""
    h, w = img.shape[:2]
    even = np.pad(img, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge").astype(np.uint16)
    total = even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def bilinear_weights(start: float, length: float, n: int, size: int, is_open: bool = False) -> NDArray[np.float64]:
    """Weights (n, size) of an axis of `size` pixels for n samples of the window [start, start + length).

    is_open: samples near its ends blend in the pixels beyond; else its edge pixels are repeated.
    """
    matrix = np.zeros((n, size))
    for i in range(n):
        centre = start + (i + 0.5) * length / n - 0.5
        if not is_open:
            centre = min(max(centre, start), start + length - 1)
        left = floor(centre)
        fraction = centre - left
        for pixel, weight in ((left, 1 - fraction), (left + 1, fraction)):
            if 0 <= pixel < size:
                matrix[i, pixel] += weight
    return matrix


def area_weights(start: float, length: float, n: int, extent: float) -> NDArray[np.float64]:
    """Weights (n, ceil(extent)): the share of each pixel in each of n equal parts of [start, start + length).

    The image ends at `extent`, which in a mip image may lie inside the last pixel. Needs length >= n.
    """
    step = length / n
    left = (start + np.arange(n) * step)[:, np.newaxis]
    right = (start + np.arange(1, n + 1) * step)[:, np.newaxis]
    pixel = np.arange(ceil(extent))
    covered = np.minimum(np.minimum(right, pixel + 1), extent) - np.maximum(left, pixel)
    weights: NDArray[np.float64] = np.maximum(covered, 0) / step
    return weights


def mip_level(len_x: float, len_y: float, n_x: int, n_y: int) -> int:
    """The smallest mip image that still has a pixel for every output pixel; 0 where the window grows."""
    k = 0
    while len_x / 2 ** (k + 1) >= n_x and len_y / 2 ** (k + 1) >= n_y:
        k += 1
    return k


def resample(
    mips: Mips, x0: float, y0: float, len_x: float, len_y: float, n_x: int, n_y: int, mode: str, is_open: bool = False
) -> Planes:
    """Resample the window [x0, x0 + len_x) x [y0, y0 + len_y) to (3, n_y, n_x); zeros outside the image.

    `mode` is "bilinear" (two taps an axis) or "area" (every pixel by the part of it that is covered; an axis
    that is enlarged is bilinear).
    """
    if mode not in ("bilinear", "area"):
        raise ValueError(f'mode must be "bilinear" or "area", not {mode!r}')
    k = mip_level(len_x, len_y, n_x, n_y) if mode == "area" else 0
    source = mips[k]

    def weights(start: float, length: float, n: int, size: int) -> tuple[NDArray[np.float64], slice]:
        start, length, extent = start / 2**k, length / 2**k, size / 2**k
        if mode == "area" and length >= n:
            matrix = area_weights(start, length, n, extent)
        else:
            matrix = bilinear_weights(start, length, n, size, is_open)
        # Only the pixels under the window can weigh; leave out the others.
        used = slice(max(floor(start) - 1, 0), max(ceil(start + length) + 1, 0))
        return matrix[:, used], used

    a_x, columns = weights(x0, len_x, n_x, mips.width)
    a_y, rows = weights(y0, len_y, n_y, mips.height)
    planes = source[rows, columns].transpose(2, 0, 1).astype(np.float64)
    return a_y @ planes @ a_x.T


def to_input(planes: Planes) -> NDArray[np.float32]:
    """BGR planes (3, h, w), 0 to 255 -> the networks' input (1, 3, h, w): RGB, (v - 127.5) * 0.0078125."""
    return ((planes[np.newaxis, ::-1] - 127.5) * 0.0078125).astype(np.float32)
