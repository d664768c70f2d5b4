"""facenet-pytorch's own arithmetic over our networks, for parity: its rounding, its crops, its coordinates.

They differ from ours in that pixels count from 1, windows are rounded to whole pixels, crops end with the picture
instead of going on in black, and are averaged over whole pixels. Plain NumPy, so slower than the native cascade.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn.cascade import check_levels

__all__ = ["detect"]

Array = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Network = Callable[[Array], Mapping[str, Array]]


def detect(
    networks: Sequence[Network], bgr: npt.NDArray[np.uint8], minsize: float, thresholds: Sequence[float], factor: float
) -> tuple[Array, Array]:
    """Return ``dets`` (n, 5) and ``landmarks`` (n, 10) ``[x1..x5, y1..y5]`` of a picture (H, W, 3), best first.

    Args:
        networks: P-Net, R-Net and O-Net, each from (n, 3, h, w) to its outputs by name.
    """
    height, width = bgr.shape[:2]
    sums = _integral(bgr)
    boxes = _propose(networks[0], sums, _scales(min(height, width), minsize, factor), thresholds[0])

    boxes, windows = _squares(boxes, height, width)
    made = _infer(networks[1], _crops(sums, windows, 24))
    score = made["prob1"].reshape(-1, 2)[:, 1]
    passed = np.flatnonzero(score > thresholds[1])
    passed = passed[_nms(boxes[passed], score[passed], 0.7)]
    boxes = _regress(boxes[passed], made["boxes"].reshape(-1, 4)[passed])

    boxes, windows = _squares(boxes, height, width)
    made = _infer(networks[2], _crops(sums, windows, 48))
    score = made["prob1"].reshape(-1, 2)[:, 1]
    passed = np.flatnonzero(score > thresholds[2])
    marks = made.get("landmarks", np.empty((0, 10), np.float32)).reshape(-1, 2, 5)[passed]
    sides = boxes[passed, 2:] - boxes[passed, :2] + 1
    points = marks * sides[:, :, np.newaxis] + boxes[passed, :2, np.newaxis] - 1
    boxes = _regress(boxes[passed], made["boxes"].reshape(-1, 4)[passed])
    dets = np.concatenate([boxes, score[passed, np.newaxis]], axis=1, dtype=np.float32)
    kept = pytrt.nms(dets[:, :4], dets[:, 4], 0.7, "min")
    return dets[kept], np.asarray(points, np.float32).reshape(-1, 10)[kept]


def _scales(shorter: int, minsize: float, factor: float) -> list[float]:
    scales = []
    scale = 12 / minsize
    left = shorter * scale
    while left >= 12:
        scales.append(scale)
        check_levels(len(scales), factor)
        scale *= factor
        left *= factor
    return scales


def _propose(pnet: Network, sums: npt.NDArray[np.uint32], scales: Sequence[float], threshold: float) -> Array:
    """P-Net's windows over all levels, suppressed and then regressed: (n, 4)."""
    height, width = (n - 1 for n in sums.shape[1:])
    found = [np.empty((0, 9), np.float32)]
    for scale in scales:
        rows, columns = int(height * scale + 1), int(width * scale + 1)
        made = _infer(pnet, _level(sums, rows, columns))
        y, x = np.nonzero(made["prob1"][0, 1] >= threshold)
        cells = np.stack([x, y], axis=1).astype(np.float32)
        windows = [np.floor((2 * cells + first) / np.float32(scale)) for first in (1, 12)]
        score = made["prob1"][0, 1][y, x, np.newaxis]
        level = np.concatenate([*windows, score, made["boxes"][0][:, y, x].T], axis=1, dtype=np.float32)
        found.append(level[_nms(level[:, :4], level[:, 4], 0.5)])
    windows_of_all = np.concatenate(found)
    windows_of_all = windows_of_all[_nms(windows_of_all[:, :4], windows_of_all[:, 4], 0.7)]
    boxes = windows_of_all[:, :4]
    return boxes + windows_of_all[:, 5:] * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _squares(boxes: Array, height: int, width: int) -> tuple[Array, tuple[Ints, Ints, Ints, Ints]]:
    """Squares about the boxes' centres, and what of them lies in the picture: y1, x1, y2, x2, the end not included."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True, initial=0)
    corner = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)
    squares = np.concatenate([corner, corner + longer], axis=1)
    x1, y1, x2, y2 = np.trunc(squares).astype(np.int64).T
    y1, x1, y2, x2 = np.maximum(y1, 1) - 1, np.maximum(x1, 1) - 1, np.minimum(y2, height), np.minimum(x2, width)
    seen = (y2 > y1) & (x2 > x1)
    return squares[seen], (y1[seen], x1[seen], y2[seen], x2[seen])


def _regress(boxes: Array, offsets: Array) -> Array:
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _nms(boxes: Array, scores: Array, threshold: float) -> Ints:
    """Intersection over union where the last pixel does not count."""
    return pytrt.nms(boxes - np.array([0, 0, 1, 1], np.float32), scores, threshold)


def _integral(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Sums of levels above and left of each corner, RGB, (3, H + 1, W + 1); they wrap, and their differences unwrap."""
    sums = np.zeros((3, bgr.shape[0] + 1, bgr.shape[1] + 1), np.uint32)
    np.cumsum(bgr[:, :, ::-1].transpose(2, 0, 1), axis=1, dtype=np.uint32, out=sums[:, 1:, 1:])
    np.cumsum(sums[:, 1:, 1:], axis=2, out=sums[:, 1:, 1:])
    return sums


def _level(sums: npt.NDArray[np.uint32], rows: int, columns: int) -> Array:
    """The picture as (1, 3, rows, columns) means over whole pixels, those at a border in both neighbours."""
    (top,), (bottom,) = _bins(np.zeros(1, np.int64), np.array([sums.shape[1] - 1]), rows)
    (left,), (right,) = _bins(np.zeros(1, np.int64), np.array([sums.shape[2] - 1]), columns)
    bands = sums[:, bottom] - sums[:, top]
    total = bands[:, :, right] - bands[:, :, left]
    pixels = (bottom - top)[:, np.newaxis] * (right - left)
    return np.asarray(total / pixels, np.float32)[np.newaxis]


def _crops(sums: npt.NDArray[np.uint32], windows: tuple[Ints, Ints, Ints, Ints], side: int) -> Array:
    """Each window as means over whole pixels: (n, 3, side, side)."""
    y1, x1, y2, x2 = windows
    top, bottom = (edge[:, :, np.newaxis] for edge in _bins(y1, y2, side))
    left, right = (edge[:, np.newaxis, :] for edge in _bins(x1, x2, side))
    total = sums[:, bottom, right] - sums[:, top, right] - sums[:, bottom, left] + sums[:, top, left]
    means = total / ((bottom - top) * (right - left))
    return np.ascontiguousarray(means.transpose(1, 0, 2, 3), np.float32)


def _bins(low: Ints, high: Ints, count: int) -> tuple[Ints, Ints]:
    """(n, count) first pixels of each part of low..high, and the ends."""
    i, length = np.arange(count), (high - low)[:, np.newaxis]
    return low[:, np.newaxis] + i * length // count, low[:, np.newaxis] - (-(i + 1) * length // count)


def _infer(network: Network, levels: Array) -> dict[str, Any]:
    if len(levels) == 0:
        return {"prob1": np.empty((0, 2), np.float32), "boxes": np.empty((0, 4), np.float32)}
    return dict(network((levels - np.float32(127.5)) * np.float32(0.0078125)))
