"""``utils/mtcnn.py`` of tensorrt_demos, https://github.com/jkjung-avt/tensorrt_demos: its detector and free functions.

``from utils.mtcnn import TrtMtcnn`` becomes ``from mtcnn.compat.tensorrt_demos import TrtMtcnn``. Boxes are (n, 5)
``[x1, y1, x2, y2, score]`` whose last pixel counts: a side is ``x2 - x1 + 1`` long.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn import checks
from mtcnn.detector import TrtMtcnn as Detector
from mtcnn.engines import NETWORKS
from mtcnn.images import MOST_PIXELS, as_bgr
from mtcnn.landmarks import as_numbers
from mtcnn.params import DetectorParams, Params, Preset

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from mtcnn.engines.settings import Precision

__all__ = ["TrtMtcnn", "clip_dets", "convert_to_1x1", "crop_img_with_padding", "nms"]

Array = npt.NDArray[Any]
_MOST_SIDE = 1e6  # pixels

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class TrtMtcnn:
    """The detector with tensorrt_demos' arithmetic, the preset "port".

    Args:
        engines: a folder that ``create_engines --output`` wrote, or the paths of P-, R- and O-Net's engines; default
            those of ``create_engines``, built on first use.
        device, threads, precision, **params: those of :class:`mtcnn.TrtMtcnn`; a preset replaces the arithmetic.
    """

    def __init__(
        self,
        engines: Paths | None = None,
        *,
        device: str = "auto",
        preset: Preset | Params = "port",
        threads: int = 0,
        precision: Precision | None = None,
        **params: Unpack[DetectorParams],
    ) -> None:
        if isinstance(engines, (str, os.PathLike)):
            engines = [Path(engines) / f"{network}.engine" for network in NETWORKS]
        self._detector = Detector(engines, device, preset, threads=threads, precision=precision, **params)

    def __repr__(self) -> str:
        return repr(self._detector)

    def detect(self, img: Array, minsize: float = 40) -> tuple[Array, Array]:
        """Return ``dets`` (n, 5) and ``landmarks`` (n, 10) ``[x1..x5, y1..y5]``, float32, of a BGR picture."""
        return self._detector.detect(img, minsize=minsize)

    def destroy(self) -> None:
        """Let go of the engines."""
        self._detector.close()


def nms(boxes: Array, threshold: float, type: str = "Union") -> list[int]:
    """Return the indices of the boxes (n, 5) that survive, best first.

    Args:
        threshold: the greatest overlap that survives.
        type: the overlap is the intersection over the "Union", or over the smaller area: "Min".
    """
    overlap = checks.choice(type, "type", ("Union", "Min")).lower()
    rows = _rows(boxes)
    return [int(i) for i in pytrt.nms(rows[:, :4], rows[:, 4], threshold, overlap)]


def convert_to_1x1(boxes: Array) -> Array:
    """Return boxes (n, 5) as squares of their longer side about their centres, in whole pixels."""
    boxes = _rows(boxes)
    squares = boxes.copy()
    sides = boxes[:, 2:4] - boxes[:, :2] + 1
    longer = sides.max(axis=1, keepdims=True)
    squares[:, :2] = boxes[:, :2] + sides * 0.5 - longer * 0.5
    squares[:, 2:4] = squares[:, :2] + longer - 1
    squares[:, :4] = np.trunc(squares[:, :4])
    return squares


def crop_img_with_padding(img: Array, box: Array, padding: int = 0) -> Array:
    """Return what a box (4,) or (5,) shows of a picture (H, W, 3), `padding` where it ends, uint8.

    Raises:
        TypeError, ValueError: a wrong argument, or a box of no pixels or more than 2^30.
    """
    pixels, sides = as_bgr(img), as_numbers(box, "box")
    if sides.shape not in ((4,), (5,)):
        raise ValueError(f"box must have the shape (4,) or (5,), got {sides.shape}")
    if not (np.abs(sides[:4]) <= _MOST_SIDE).all():
        raise ValueError(f"box must be within {_MOST_SIDE:.0e} of the picture, got {sides[:4].tolist()}")
    x1, y1, x2, y2 = (int(side) for side in sides[:4])
    if not (x2 >= x1 and y2 >= y1 and (x2 - x1 + 1) * (y2 - y1 + 1) <= MOST_PIXELS):
        raise ValueError(f"box must have 1 to {MOST_PIXELS} pixels, got {[x1, y1, x2, y2]}")
    crop = np.full((y2 - y1 + 1, x2 - x1 + 1, 3), checks.whole(padding, "padding", 0, 255), np.uint8)
    seen = pixels[max(y1, 0) : max(y2 + 1, 0), max(x1, 0) : max(x2 + 1, 0)]
    top, left = max(-y1, 0), max(-x1, 0)
    crop[top : top + seen.shape[0], left : left + seen.shape[1]] = seen
    return crop


def _rows(boxes: Array) -> Array:
    rows = np.asarray(boxes)
    if rows.ndim != 2 or rows.shape[1] != 5:
        raise ValueError(f"boxes must have the shape (n, 5), got {rows.shape}")
    return rows


def clip_dets(dets: Array, img_w: int, img_h: int) -> Array:
    """Truncate ``dets`` (n, 2k + 1), pairs ``x, y`` and a score, to whole pixels of the picture, in place."""
    dets[:, :-1] = np.trunc(dets[:, :-1])
    for first, limit in ((0, img_w), (1, img_h)):
        dets[:, first:-1:2] = np.clip(dets[:, first:-1:2], 0, limit - 1)
    return dets
