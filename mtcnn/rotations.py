"""Pictures turned by quarter turns, and faces found in them brought back.

A picture turned by ``degrees`` is turned clockwise: faces that lean to the left by as much stand upright in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["merged", "turn_back", "turned"]

SAME_FACE = 0.5  # intersection over the smaller area above which faces of two turns are one

Array = npt.NDArray[np.float32]
Faces = tuple[Array, Array]  # dets, landmarks


def turned(img: npt.NDArray[np.uint8], degrees: int) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) turned clockwise by 0, 90, 180 or 270 degrees."""
    return img if degrees == 0 else np.ascontiguousarray(np.rot90(img, -degrees // 90))


def turn_back(faces: Faces, degrees: int, height: int, width: int) -> Faces:
    """Faces of a picture turned by ``degrees``, in the pixels of the picture itself, which has that height and width.

    Boxes are inclusive: their edges x1 and x2 + 1 are mapped. Landmarks are what the networks regress: lengths from the
    left and the upper edge of the picture, which are mapped as they are. The left eye stays that of the upright face.
    """
    if degrees == 0:
        return faces
    dets, landmarks = faces[0].copy(), faces[1].copy()
    x1, y1, x2, y2 = faces[0][:, :4].T
    x, y = faces[1][:, :5], faces[1][:, 5:]
    if degrees == 90:
        dets[:, :4] = np.stack([y1, height - 1 - x2, y2, height - 1 - x1], axis=1)
        landmarks[:, :5], landmarks[:, 5:] = y, height - x
    elif degrees == 180:
        dets[:, :4] = np.stack([width - 1 - x2, height - 1 - y2, width - 1 - x1, height - 1 - y1], axis=1)
        landmarks[:, :5], landmarks[:, 5:] = width - x, height - y
    else:
        dets[:, :4] = np.stack([width - 1 - y2, x1, width - 1 - y1, x2], axis=1)
        landmarks[:, :5], landmarks[:, 5:] = width - y, x
    return dets, landmarks


def merged(found: Sequence[Faces]) -> Faces:
    """What several turns found in a picture, best score first: of one face the best, whichever turn it is of."""
    dets, landmarks = (np.concatenate(parts) for parts in zip(*found, strict=True))
    turn = np.repeat(np.arange(len(found)), [len(faces[0]) for faces in found])
    order = np.argsort(-dets[:, 4], kind="stable")
    dets, landmarks, turn = dets[order], landmarks[order], turn[order]
    kept = np.zeros(len(dets), bool)
    for i in range(len(dets)):
        others = np.flatnonzero(kept[:i] & (turn[:i] != turn[i]))  # those of one turn have been suppressed already
        kept[i] = _shares(dets[i], dets[others]).max(initial=0) <= SAME_FACE
    return dets[kept], landmarks[kept]


def _shares(box: Array, boxes: Array) -> npt.NDArray[np.float64]:
    """Of inclusive boxes, the intersection with one over the smaller area of the two."""
    a, b = box.astype(np.float64), boxes.astype(np.float64)
    sides = np.minimum(a[2:4], b[:, 2:4]) - np.maximum(a[:2], b[:, :2]) + 1
    areas = (b[:, 2:4] - b[:, :2] + 1).prod(axis=1)
    smaller = np.maximum(np.minimum((a[2:4] - a[:2] + 1).prod(), areas), 1e-9)
    return np.asarray(np.maximum(sides, 0).prod(axis=1) / smaller)
