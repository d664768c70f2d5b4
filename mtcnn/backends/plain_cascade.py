"""The cascade as a port in Python has it: level after level, crop after crop, with whatever runs the networks.

It is here to compare runtimes of the networks with one another, and gives what TrtMtcnn gives in preset "fast".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn.cascade import CELL, pyramid
from mtcnn.params import Params

__all__ = ["Networks", "detect"]

Array = npt.NDArray[np.float32]
# Each network by its name: (n, 3, h, w) in, the outputs by their names, (n, channels, h', w') each, out.
Networks = Mapping[str, Callable[[Array], Mapping[str, Array]]]


def detect(networks: Networks, img: npt.NDArray[np.uint8], p: Params) -> tuple[Array, Array]:
    """The faces in a BGR picture (H, W, 3): dets (n, 5) and landmarks (n, 10).

    p: of preset "fast", with any minsize, factor, thresholds and nms_thresholds.
    """
    boxes = _rnet(networks, img, _pnet(networks, img, p), p)
    return _onet(networks, img, boxes, p)


def _pnet(networks: Networks, img: npt.NDArray[np.uint8], p: Params) -> Array:
    found = [np.empty((0, 9), np.float32)]
    for height, width, scale_y, scale_x in pyramid(*img.shape[:2], p.minsize, p.factor, p.level_size):
        made = networks["pnet"](pytrt.resize(img, height, width, p.resize)[np.newaxis])
        rows, columns = ((size - CELL) // 2 + 1 for size in (height, width))  # of windows that lie inside
        prob, reg = (np.ascontiguousarray(made[name][0, :, :rows, :columns]) for name in ("prob1", "boxes"))
        windows = pytrt.propose(prob, reg, scale_y, scale_x, p.thresholds[0])
        found.append(windows[pytrt.nms(windows[:, :4], windows[:, 4], p.nms_thresholds[0])])
    windows = np.concatenate(found)
    windows = windows[pytrt.nms(windows[:, :4], windows[:, 4], p.nms_thresholds[1], keep=p.max_rnet)]
    return windows[:, :4] + windows[:, 5:9]  # which is in pixels already


def _rnet(networks: Networks, img: npt.NDArray[np.uint8], boxes: Array, p: Params) -> Array:
    squares = _squares(boxes)
    if not len(squares):
        return squares
    made = networks["rnet"](pytrt.crop_resize(img, squares.astype(np.int32), 24, p.resize))
    scores, reg = made["prob1"].reshape(-1, 2)[:, 1], made["boxes"].reshape(-1, 4)
    passed = np.flatnonzero(scores >= p.thresholds[1])
    passed = passed[pytrt.nms(squares[passed], scores[passed], p.nms_thresholds[2], keep=p.max_onet)]
    squares = squares[passed]
    return squares + reg[passed] * _width(squares)


def _onet(networks: Networks, img: npt.NDArray[np.uint8], boxes: Array, p: Params) -> tuple[Array, Array]:
    squares = _squares(boxes)
    if not len(squares):
        return np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)
    made = networks["onet"](pytrt.crop_resize(img, squares.astype(np.int32), 48, p.resize))
    scores, reg, marks = (made[name].reshape(len(squares), -1) for name in ("prob1", "boxes", "landmarks"))
    side = _width(squares)
    regressed = squares + reg * side
    passed = np.flatnonzero((scores[:, 1] >= p.thresholds[2]) & _are_proper(regressed))
    passed = passed[pytrt.nms(regressed[passed], scores[passed, 1], p.nms_thresholds[3], "min")]
    landmarks = np.repeat(squares[:, :2], 5, axis=1) + side * marks
    return np.concatenate([regressed, scores[:, 1:]], axis=1)[passed], landmarks[passed]


def _squares(boxes: Array) -> Array:
    """The squares about the boxes' centres, in whole pixels; boxes without area are left out."""
    boxes = boxes[_are_proper(boxes)]
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    side = sizes.max(axis=1, keepdims=True, initial=0)
    corner = np.floor(boxes[:, :2] + (sizes - side) / 2 + np.float32(0.5))
    return np.concatenate([corner, corner + np.maximum(np.floor(side + np.float32(0.5)), 1) - 1], axis=1)


def _width(boxes: Array) -> Array:
    return boxes[:, 2:3] - boxes[:, :1] + 1


def _are_proper(boxes: Array) -> npt.NDArray[np.bool_]:
    proper: npt.NDArray[np.bool_] = np.all(boxes[:, 2:] - boxes[:, :2] + 1 > 0, axis=1)
    return proper
