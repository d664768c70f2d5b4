"""The package retina-face's ``RetinaFace.detect_faces`` and ``extract_faces``, found by MTCNN.

``from retinaface import RetinaFace`` becomes ``from mtcnn.compat import retinaface as RetinaFace``.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.compat.pictures import dark_as, read_bgr
from mtcnn.detector import TrtMtcnn
from mtcnn.images import as_bgr
from mtcnn.images.resize import resize_linear, warp_cubic
from mtcnn.landmarks import points
from mtcnn.params import least_score
from mtcnn.runtime.once import made_once

__all__ = ["build_model", "detect_faces", "extract_faces"]

# The person's sides, of points in the viewer's order.
_NAMES = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")

_MOST_CROP = 1 << 26  # pixels of a crop

Area = tuple[int, int, int, int]


@made_once()
def build_model() -> TrtMtcnn:
    """Return the detector that calls without a ``model`` share."""
    return TrtMtcnn(minsize=20)


def detect_faces(
    img_path: Any, threshold: float = 0.9, model: TrtMtcnn | None = None, allow_upscaling: bool = True
) -> dict[str, Any]:
    """Return the faces of a picture: ``{"face_1": {"score", "facial_area", "landmarks"}, ...}``, best first.

    Args:
        img_path: a path, a data URL (``data:image/png;base64,...``) or BGR (H, W, 3). A file is turned as its EXIF data
            says, as OpenCV does. One that is cut off is read as far as it goes, with a warning in the log.
        threshold: least score of a face. MTCNN's own is 0.7.
        model: what finds them; default `build_model()`.
        allow_upscaling: without effect.

    Returns:
        For each face ``score``; ``facial_area`` ``[x1, y1, x2, y2]``, pixels of the picture, fractions cut off;
        ``landmarks``: ``right_eye``, ``left_eye``, ``nose``, ``mouth_right``, ``mouth_left``, ``[x, y]`` each, the
        person's sides. Plain numbers, which JSON takes.

    Raises:
        OSError: the file cannot be read. Where there is none, or no picture in it, it is a ValueError, too.
        TypeError, ValueError: another wrong argument.
    """
    return _detect(_picture(img_path), threshold, model)


def extract_faces(
    img_path: Any,
    threshold: float = 0.9,
    model: TrtMtcnn | None = None,
    align: bool = True,
    allow_upscaling: bool = True,
    expand_face_area: int = 0,
    target_size: tuple[int, int] | int | None = None,
    min_max_norm: bool = True,
) -> list[npt.NDArray[Any]]:
    """Return the faces of a picture cut out, RGB uint8 (H, W, 3), best first.

    Args:
        img_path, threshold, model, allow_upscaling: those of `detect_faces`.
        align: whether the picture is turned, about its middle, until the eyes are level.
        expand_face_area: percent by which boxes are made larger.
        target_size: (height, width), or one number for a square, that crops are scaled to fit, in the middle of black.
        min_max_norm: whether crops of a `target_size` are float32 in 0..1.

    Raises:
        MtcnnError: OpenCV is not installed, which `align` and `target_size` need.
        OSError, TypeError, ValueError: as `detect_faces`.
    """
    img = _picture(img_path)
    more = checks.number(expand_face_area, "expand_face_area", 0, 1000) / 100
    size = checks.size(target_size, "target_size")
    if size is not None and size[0] * size[1] > _MOST_CROP:
        raise ValueError(f"target_size must have {_MOST_CROP} pixels at most, got {size}")
    turned, scaled = checks.flag(align, "align"), checks.flag(min_max_norm, "min_max_norm")
    crops: list[npt.NDArray[Any]] = []
    for face in _detect(img, threshold, model).values():
        area = _expanded(face["facial_area"], more, img.shape)
        crop = _cut_level(img, area, face["landmarks"]) if turned else _cut(img, area)
        if size is not None:
            crop = _fitted(crop, size)
        crop = np.ascontiguousarray(crop[:, :, ::-1])
        crops.append(crop.astype(np.float32) / np.float32(255) if scaled and size is not None else crop)
    return crops


def _picture(img_path: Any) -> npt.NDArray[np.uint8]:
    if isinstance(img_path, str) and img_path.startswith("data:image/"):
        try:
            data = base64.b64decode(img_path.partition(",")[2], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"img_path must be base64 after the comma: {error}") from None
        return read_bgr(io.BytesIO(data), "img_path")
    if isinstance(img_path, str) and img_path.startswith(("http://", "https://")):
        raise ValueError("img_path is an address, and nothing is fetched: save the picture, or pass its array")
    return read_bgr(img_path, "img_path") if isinstance(img_path, (str, os.PathLike)) else as_bgr(img_path, "img_path")


def _detect(img: npt.NDArray[np.uint8], threshold: float, model: TrtMtcnn | None) -> dict[str, Any]:
    least = checks.number(threshold, "threshold", 0, 1)
    detector = build_model() if model is None else checks.instance(model, TrtMtcnn, "model")
    with dark_as("img_path"):
        dets, landmarks = detector.detect(img, thresholds=least_score(detector.params, least))
    height, width = img.shape[:2]
    last = (width - 1, height - 1) * 2
    faces = {}
    for i, (row, five) in enumerate(zip(dets.tolist(), points(landmarks).tolist(), strict=True), 1):
        area = [int(min(max(side, 0), most)) for side, most in zip(row[:4], last, strict=True)]
        faces[f"face_{i}"] = {
            "score": row[4],
            "facial_area": area,
            "landmarks": dict(zip(_NAMES, five, strict=True)),
        }
    return faces


def _expanded(area: list[int], more: float, shape: tuple[int, ...]) -> Area:
    x1, y1, x2, y2 = area
    wider, higher = int((x2 - x1) * more), int((y2 - y1) * more)
    left, top = max(0, x1 - wider // 2), max(0, y1 - higher // 2)
    return left, top, min(shape[1], left + x2 - x1 + wider), min(shape[0], top + y2 - y1 + higher)


def _cut(img: npt.NDArray[np.uint8], area: Area) -> npt.NDArray[np.uint8]:
    """A pixel at least."""
    x1, y1, x2, y2 = area
    return img[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def _cut_level(img: npt.NDArray[np.uint8], area: Area, landmarks: dict[str, list[float]]) -> npt.NDArray[np.uint8]:
    """What the box, whose middle is turned with the picture, shows of that; no more is turned than it shows."""
    height, width = img.shape[:2]
    (lx, ly), (rx, ry) = landmarks["left_eye"], landmarks["right_eye"]
    angle = math.atan2(ly - ry, lx - rx)
    x1, y1, x2, y2 = area
    if angle != 0:
        x, y = (x1 + x2 - width) / 2, (y1 + y2 - height) / 2
        cos, sin = math.cos(angle), math.sin(angle)
        left = x * cos + y * sin + (width - (x2 - x1)) / 2
        top = y * cos - x * sin + (height - (y2 - y1)) / 2
        right, bottom = min(int(left + x2 - x1), width), min(int(top + y2 - y1), height)
        x1, y1 = min(max(int(left), 0), width - 1), min(max(int(top), 0), height - 1)
        x2, y2 = max(right, x1 + 1), max(bottom, y1 + 1)
    cos, sin, x, y = math.cos(angle), math.sin(angle), width // 2, height // 2
    # about the picture's middle, counterclockwise; then to the crop's corner
    matrix = np.array([[cos, sin, (1 - cos) * x - sin * y - x1], [-sin, cos, sin * x + (1 - cos) * y - y1]])
    return warp_cubic(img, matrix, max(y2 - y1, 1), max(x2 - x1, 1))


def _fitted(crop: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    factor = min(size[0] / crop.shape[0], size[1] / crop.shape[1])
    height, width = (max(1, int(side * factor)) for side in crop.shape[:2])
    canvas = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = resize_linear(crop, height, width)
    return canvas
