"""Faces drawn on a picture, in plain NumPy; :func:`mtcnn.draw_faces` draws better."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.compat.mtcnn.bboxes import parse_bbox
from mtcnn.compat.mtcnn.landmarks import parse_landmarks

__all__ = ["parse_color", "plot", "plot_all", "plot_bbox", "plot_landmarks"]

Image = npt.NDArray[Any]

_YELLOW = "#FFFF00"
_KEYPOINTS = "nose,mouth_right,right_eye,left_eye,mouth_left"


def plot(image: Image, detection: Any, input_as_width_height: bool = True) -> Image | None:
    """Return a copy of the picture, uint8, with one or more faces drawn on it; None if there are no faces.

    Args:
        image: (H, W, 3), levels 0..255.
        detection: what ``detect_faces`` returned for the picture, or one of its faces.
        input_as_width_height: boxes are [x, y, width, height], not [x1, y1, x2, y2].
    """
    if len(detection) == 0:
        return None
    one = isinstance(detection, dict) or (isinstance(detection, np.ndarray) and detection.ndim == 1)
    return plot_all(image, [detection] if one else detection, input_as_width_height)


def plot_all(image: Image, detections: Iterable[Any], input_as_width_height: bool = True) -> Image:
    """Return a copy of the picture, uint8, with all faces drawn on it."""
    drawn = np.array(image, np.uint8)
    for face in detections:
        _draw_box(drawn, parse_bbox(face, False, input_as_width_height), parse_color(_YELLOW) * 255)
        if points := _points(face):
            _draw_points(drawn, points, _KEYPOINTS, 2, parse_color(_YELLOW) * 255)
    return drawn


def plot_bbox(
    image: Image,
    bbox: Any,
    color: str = _YELLOW,
    normalize_color: bool = False,
    input_as_width_height: bool = True,
) -> Image:
    """Return a copy of the picture with a box drawn on it, one pixel wide.

    Args:
        image: (H, W, 3).
        bbox: a face, or four numbers.
        color: "#RRGGBB", "#RGB" or "0xRRGGBB".
        normalize_color: levels are 0..1; otherwise they are 0..255 and the copy is uint8.
        input_as_width_height: the box is [x, y, width, height], not [x1, y1, x2, y2].
    """
    drawn = np.array(image, None if normalize_color else np.uint8)
    _draw_box(drawn, parse_bbox(bbox, False, input_as_width_height), _levels(color, normalize_color))
    return drawn


def plot_landmarks(
    image: Image,
    landmarks: Any,
    color: str = _YELLOW,
    keypoints: str = _KEYPOINTS,
    brush_size: int = 2,
    normalize_color: bool = False,
) -> Image:
    """Return a copy of the picture with a face's points drawn on it as squares.

    Args:
        image, color, normalize_color: as in :func:`plot_bbox`.
        landmarks: a face, its "keypoints" or (10,); a face without points is drawn without.
        keypoints: which points, separated by commas.
        brush_size: pixels on each side of a point.
    """
    drawn = np.array(image, None if normalize_color else np.uint8)
    if points := _points(landmarks):
        _draw_points(drawn, points, keypoints, brush_size, _levels(color, normalize_color))
    return drawn


def parse_color(color: str) -> npt.NDArray[np.float64]:
    """Return "#RRGGBB", "#RGB" or "0xRRGGBB" as (3,) levels 0..1.

    Raises:
        ValueError: anything else.
    """
    digits = str(color).removeprefix("#").removeprefix("0x")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    try:
        levels = bytes.fromhex(digits)
    except ValueError:
        levels = b""
    if len(levels) != 3:
        raise ValueError(f'color must be like "#RRGGBB", "#RGB" or "0xRRGGBB", got {color!r}')
    return np.frombuffer(levels, np.uint8) / 255


def _levels(color: str, normalize_color: bool) -> npt.NDArray[np.float64]:
    return parse_color(color) * (1 if normalize_color else 255)


def _points(face: Any) -> dict[str, Any]:
    if isinstance(face, dict) and "box" in face and "keypoints" not in face:
        return {}
    try:
        return parse_landmarks(face)
    except IndexError:
        return {}


def _draw_box(image: Image, box: npt.NDArray[np.int64], color: npt.NDArray[np.float64]) -> None:
    x1, y1, x2, y2 = box
    for x in (x1, x2):
        _fill(image, x, y1, x, y2, color)
    for y in (y1, y2):
        _fill(image, x1, y, x2, y, color)


def _draw_points(image: Image, points: dict[str, Any], names: str, brush: int, color: npt.NDArray[np.float64]) -> None:
    for name in names.split(","):
        if name.strip() in points:
            x, y = points[name.strip()]
            _fill(image, x - brush, y - brush, x + brush, y + brush, color)


def _fill(image: Image, x1: int, y1: int, x2: int, y2: int, color: npt.NDArray[np.float64]) -> None:
    """Colour a rectangle, corners included, as far as it lies in the picture."""
    image[max(0, y1) : max(0, y2 + 1), max(0, x1) : max(0, x2 + 1)] = color
