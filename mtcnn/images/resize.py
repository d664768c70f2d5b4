"""Pictures resized and turned: by OpenCV where it is installed, else the same by kernels of our own and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn.runtime.opencv import has_opencv, opencv

__all__ = ["resize_area", "resize_linear", "warp_cubic"]

_SHARPNESS = -0.75  # of the cubic that OpenCV takes: https://en.wikipedia.org/wiki/Bicubic_interpolation
_ROWS = 64  # of the output at once

Picture = npt.NDArray[np.uint8]


def resize_linear(img: Picture, height: int, width: int) -> Picture:
    """BGR (height, width, 3), interpolated bilinearly between pixels' centres."""
    if has_opencv():
        cv2 = opencv("resizing")
        return np.asarray(cv2.resize(img, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return _levels(pytrt.resize(img, height, width, "bilinear"))


def resize_area(img: Picture, height: int, width: int) -> Picture:
    """(height, width, 3), each pixel the mean of the area that it covers."""
    if has_opencv():
        cv2 = opencv("resizing")
        return np.asarray(cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if height <= img.shape[0] and width <= img.shape[1]:
        made: npt.NDArray[Any] = _means(_means(img, height).swapaxes(0, 1), width).swapaxes(0, 1)
    else:
        made = _between(_between(img, height).swapaxes(0, 1), width).swapaxes(0, 1)
    return np.ascontiguousarray(np.clip(np.rint(made), 0, 255).astype(np.uint8))


def warp_cubic(img: Picture, matrix: npt.NDArray[np.float64], height: int, width: int) -> Picture:
    """(height, width, 3), warped by the (2, 3) matrix from input to output pixels, bicubically; black outside."""
    if has_opencv():
        cv2 = opencv("warping")
        return np.asarray(cv2.warpAffine(img, matrix, (width, height), flags=cv2.INTER_CUBIC), np.uint8)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    padded = np.pad(img, ((4, 4), (4, 4), (0, 0)))
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _ROWS):
        y, x = np.mgrid[top : min(top + _ROWS, height), :width]
        places = inverse[:, :2] @ np.stack([x.ravel(), y.ravel()]) + inverse[:, 2:]
        whole = np.floor(places)
        weights_x, weights_y = (_cubic(shares) for shares in places - whole)
        # what lies two pixels outside is black, as all is beyond it
        columns, rows = np.clip(whole, -3, [[img.shape[1] + 1], [img.shape[0] + 1]]).astype(np.int64)
        total = np.zeros((places.shape[1], 3))
        for i, weight_y in enumerate(weights_y):
            for j, weight_x in enumerate(weights_x):
                total += (weight_y * weight_x)[:, None] * padded[rows + i + 3, columns + j + 3]
        out[top : top + _ROWS] = np.clip(np.rint(total), 0, 255).reshape(-1, width, 3)
    return out


def _means(array: npt.NDArray[Any], size: int) -> npt.NDArray[np.float32]:
    """Of the first axis' elements, as many as each of the new ones covers."""
    edges = np.arange(size + 1) * (len(array) / size)
    whole = np.minimum(edges.astype(np.int64), len(array) - 1)
    shares = (edges - whole).reshape(-1, 1, 1)
    out = np.empty((size, *array.shape[1:]), np.float32)
    for left in range(0, array.shape[1], _ROWS):
        part = array[:, left : left + _ROWS]
        below = np.concatenate([np.zeros((1, *part.shape[1:])), np.cumsum(part, axis=0, dtype=np.float64)])
        sums = np.diff(below[whole] + shares * part[whole], axis=0)
        out[:, left : left + _ROWS] = sums * (size / len(array))
    return out


def _between(array: npt.NDArray[Any], size: int) -> npt.NDArray[np.float64]:
    """As OpenCV does where a side grows: edges between elements stay as sharp as they can be."""
    scale, new = len(array) / size, np.arange(size)
    first = np.floor(new * scale).astype(np.int64)
    shares = new + 1 - (first + 1) / scale
    shares = np.maximum(shares, 0).reshape(-1, 1, 1)
    last = len(array) - 1
    return np.asarray(array[np.minimum(first, last)] * (1 - shares) + array[np.minimum(first + 1, last)] * shares)


def _cubic(t: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Of the pixels at -1, 0, 1 and 2 from where it is looked, at t in 0..1."""
    a = _SHARPNESS

    def near(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(((a + 2) * x - (a + 3)) * x * x + 1)

    def far(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(((a * x - 5 * a) * x + 8 * a) * x - 4 * a)

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _levels(made: npt.NDArray[np.float32]) -> Picture:
    """(H, W, 3) blue first of what the networks' kernels make: (3, H, W), red first, (x - 127.5) / 128."""
    return np.ascontiguousarray(np.clip(np.rint(made[::-1].transpose(1, 2, 0) * 128 + 127.5), 0, 255).astype(np.uint8))
