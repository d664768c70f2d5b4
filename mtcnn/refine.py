"""The later stages of the cascade alone, on boxes that are known: from the frame before, say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mtcnn import cascade
from mtcnn.landmarks import as_numbers
from mtcnn.params import Params
from mtcnn.rotations import merged, turn_back, turn_boxes, turned

if TYPE_CHECKING:
    from pytrt import Stages

__all__ = ["known_boxes", "refine"]

_MOST = 10_000  # boxes
_FARTHEST = 1e6  # pixels from the picture's corner

Array = npt.NDArray[np.float32]


def known_boxes(boxes: npt.ArrayLike) -> Array:
    """Boxes (n, 4), from such or from dets (n, 5).

    Raises:
        TypeError, ValueError: another shape, too many, or too far away.
    """
    rows = as_numbers(boxes, "boxes")
    if rows.size == 0:
        return np.empty((0, 4), np.float32)
    if rows.ndim != 2 or rows.shape[1] not in (4, 5):
        raise ValueError(f"boxes must have the shape (n, 4) or (n, 5), got {rows.shape}")
    if len(rows) > _MOST:
        raise ValueError(f"boxes must be {_MOST} at most, got {len(rows)}")
    sides = rows[:, :4]
    if not (np.abs(sides) <= _FARTHEST).all():
        raise ValueError(f"boxes must be within {_FARTHEST:g} pixels of the picture's corner")
    return np.ascontiguousarray(sides, np.float32)


def refine(stages: Stages, img: npt.NDArray[np.uint8], boxes: Array, p: Params) -> tuple[Array, Array]:
    """The faces near `boxes` (n, 4), as R-Net and O-Net find them: dets (m, 5) and landmarks (m, 10), m <= n."""
    if p.rotations == (0,):
        return _refine_upright(stages, img, boxes, p)
    height, width = img.shape[:2]
    found: list[tuple[Array, Array]] = []
    for degrees in map(int, (0, 90, 180, 270) if p.rotations == "auto" else p.rotations):
        there = turn_boxes(boxes, degrees, height, width)
        faces = _refine_upright(stages, turned(img, degrees), there, p)
        found.append(turn_back(faces, degrees, height, width, has_landmarks=p.networks > 2))
    return merged(found)


def _refine_upright(stages: Stages, img: npt.NDArray[np.uint8], boxes: Array, p: Params) -> tuple[Array, Array]:
    height, width, shrink, _ = cascade.working_size(img.shape[0], img.shape[1], p)
    try:
        stages.load(
            [img],
            [(height, width)],
            resize=p.resize,
            nms_on_windows=p.nms_boxes == "window",
            whole_pixels=p.whole_pixels,
        )
        p = replace(p, vote=0.0)  # there is one box where P-Net proposes many
        stages.refine(boxes * np.float32(shrink), np.zeros(len(boxes), np.int32), **cascade.settings(stages, p))
        dets, landmarks, _ = stages.boxes()
    finally:
        stages.unload()
    return cascade.unshrink(dets, landmarks, shrink, p)
