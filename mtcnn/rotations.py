"""Pictures turned by quarter turns, and faces found in them brought back.

A picture turned by ``degrees`` is turned clockwise: faces that lean to the left by as much stand upright in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["is_upright", "merged", "turn_back", "turn_boxes", "turned", "upright_turns"]

# The least score of a face that surely stands upright: all of 125 of LFW have more. In a third of these when
# turned by 90 degrees, and in half by 180, the networks see an upright face, too, but in 2% at most with this score.
SURE = 0.98
SAME_FACE = 0.5  # intersection over the smaller area above which faces of two turns are one

Array = npt.NDArray[np.float32]
Faces = tuple[Array, Array]  # dets, landmarks


def is_upright(faces: Faces) -> bool:
    """Whether there is a face that leaves no doubt that the picture stands upright."""
    return bool((faces[0][:, 4] >= SURE).any())


def turned(img: npt.NDArray[np.uint8], degrees: int) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) turned clockwise by 0, 90, 180 or 270 degrees."""
    return img if degrees == 0 else np.ascontiguousarray(np.rot90(img, -degrees // 90))


def turn_back(faces: Faces, degrees: int, height: int, width: int, *, has_landmarks: bool = True) -> Faces:
    """Faces of a picture turned by ``degrees``, in the pixels of the picture itself, which has that height and width.

    Boxes are inclusive: their edges x1 and x2 + 1 are mapped. Landmarks are what the networks regress: lengths from the
    left and the upper edge of the picture, which are mapped as they are. The left eye stays that of the upright face.

    has_landmarks: False where O-Net has not run: zeros stay zeros.
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
    return dets, landmarks if has_landmarks else faces[1]


def turn_boxes(boxes: Array, degrees: int, height: int, width: int) -> Array:
    """Inclusive boxes (n, 4) of a picture of that height and width, in the pixels of that picture turned."""
    rows = np.column_stack([boxes, np.zeros(len(boxes), np.float32)])
    none = np.zeros((len(boxes), 10), np.float32)
    size = (height, width) if degrees == 180 else (width, height)  # of what is turned back: the turned picture
    return np.ascontiguousarray(turn_back((rows, none), -degrees % 360, *size)[0][:, :4])


def upright_turns(landmarks: npt.NDArray[Any], rotations: tuple[int, ...] | str) -> npt.NDArray[np.intp]:
    """By how many degrees the picture is to be turned so that each face, of landmarks (n, 10), stands upright.

    Of those that ``rotations`` allows the one after which its eyes lie most level, the left one on the left.
    """
    allowed = np.array((0, 90, 180, 270) if isinstance(rotations, str) else rotations, np.intp)
    across, down = landmarks[:, 1] - landmarks[:, 0], landmarks[:, 6] - landmarks[:, 5]
    lean = np.degrees(np.arctan2(down, across))  # clockwise
    return np.asarray(allowed[np.cos(np.radians(lean[:, np.newaxis] + allowed)).argmax(axis=1)])


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
