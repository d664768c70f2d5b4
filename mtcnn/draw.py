"""Faces drawn on a picture, to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .central import as_dets
from .images import Color, Picture, as_bgr
from .images.pens import Pen, pen_for
from .landmarks import as_numbers, as_points

__all__ = ["draw_faces"]

_BOX = (64, 200, 64)
_INK = (0, 0, 0)
# left eye, right eye, nose, left and right mouth corner
_POINTS = ((255, 128, 0), (0, 128, 255), (0, 255, 255), (255, 0, 255), (0, 0, 255))


def draw_faces(
    img: Picture,
    dets: npt.ArrayLike,
    landmarks: npt.ArrayLike | None = None,
    *,
    color: Color = "bgr",
    labels: Sequence[str] | None = None,
) -> npt.NDArray[np.uint8]:
    """Return a copy of ``img``, BGR uint8 (H, W, 3), with boxes, scores and the five points of each face.

    Lines grow with the picture: 1 pixel up to 600 pixels on the longer side, 1 more for each 400 above.

    Args:
        img: any picture that ``detect`` takes; a PIL picture is drawn on once it is turned.
        dets: (n, 5) ``[x1, y1, x2, y2, score]`` as from ``detect``; (n, 4) boxes are drawn without a score.
        landmarks: (n, 10) as from ``detect``, one row a box; None draws none.
        color: order of the channels of ``img``. What is returned is BGR.
        labels: one a box, to be written in place of its score; OpenCV's letters, with which they are where it is
            installed, are ASCII's.

    Raises:
        MtcnnError: neither OpenCV nor Pillow is installed.
        TypeError, ValueError: a picture, boxes or landmarks of another shape, or not finite.
    """
    bgr = as_bgr(img, color=color)
    faces = as_dets(dets)
    points = _as_landmarks(landmarks, len(faces))
    if labels is None:
        labels = [f"{face[4]:.2f}" if len(face) == 5 else "" for face in faces]
    elif len(labels) != len(faces):
        raise ValueError(f"labels must be one for each of the {len(faces)} boxes in dets, got {len(labels)}")
    drawn: npt.NDArray[np.uint8] = np.ascontiguousarray(bgr).copy()
    pen = pen_for(drawn)
    longer = max(drawn.shape[:2])
    line = max(1, round((longer - 200) / 400))
    for face, label in zip(faces, labels, strict=True):
        x1, y1, x2, y2 = _pixels(face[:4], longer)
        pen.rectangle((x1, y1), (x2, y2), _BOX, line)
        if label:
            _write_label(pen, drawn.shape, label, (x1, y1), line)
    for five in points:
        for x_y, colour in zip(five, _POINTS, strict=True):
            x, y = _pixels(x_y, longer)
            pen.dot((x, y), line + 1, colour)
    pen.finish()
    return drawn


def _as_landmarks(landmarks: npt.ArrayLike | None, faces: int) -> list[npt.NDArray[np.float64]]:
    if landmarks is None:
        return []
    rows = as_numbers(landmarks, "landmarks")
    if len(rows.shape) == 0 or len(rows) != faces:
        raise ValueError(f"landmarks must have a row for each of the {faces} boxes in dets, got {rows.shape}")
    return [as_points(row, f"landmarks[{i}]") for i, row in enumerate(rows)]


def _write_label(pen: Pen, shape: tuple[int, ...], text: str, corner: tuple[int, int], line: int) -> None:
    scale = 0.35 + 0.15 * line
    width, height, below = pen.text_size(text, scale, line)
    x = max(0, min(corner[0], shape[1] - width))
    # above the box, or in it where the picture ends
    y = max(height + below, min(corner[1], shape[0] - 1))
    pen.rectangle((x, y - height - below), (x + width, y), _BOX, None)
    pen.text(text, (x, y - below // 2 - 1), scale, _INK, line)


def _pixels(coordinates: npt.NDArray[np.float64], longer: int) -> list[int]:
    # far outside is far enough: OpenCV takes 32-bit whole numbers
    limited = np.clip(coordinates, -2 * longer, 3 * longer)
    return [int(n) for n in np.rint(limited)]
