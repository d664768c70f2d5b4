"""The package retina-face's ``RetinaFace.detect_faces``, found by MTCNN.

``from retinaface import RetinaFace`` becomes ``from mtcnn.compat import retinaface as RetinaFace``.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from mtcnn import checks
from mtcnn.detector import TrtMtcnn
from mtcnn.images import as_bgr
from mtcnn.landmarks import points
from mtcnn.runtime.opencv import opencv

__all__ = ["build_model", "detect_faces"]

# The person's sides, of points in the viewer's order.
_NAMES = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")


@functools.cache
def build_model() -> TrtMtcnn:
    """Return the detector that calls without a ``model`` share."""
    return TrtMtcnn(minsize=20)


def detect_faces(
    img_path: Any, threshold: float = 0.9, model: TrtMtcnn | None = None, allow_upscaling: bool = True
) -> dict[str, Any]:
    """Return the faces of a picture: ``{"face_1": {"score", "facial_area", "landmarks"}, ...}``, best first.

    Args:
        img_path: a path, or BGR (H, W, 3). A file is turned as its EXIF data says, as OpenCV does.
        threshold: least score of a face. MTCNN's own is 0.7.
        model: what finds them; default `build_model()`.
        allow_upscaling: without effect.

    Returns:
        For each face ``score``, ``facial_area`` ``[x1, y1, x2, y2]``, whole pixels within the picture, ``landmarks``:
        ``right_eye``, ``left_eye``, ``nose``, ``mouth_right``, ``mouth_left``, ``[x, y]`` each, the person's sides.

    Raises:
        OSError: the file cannot be read.
        TypeError, ValueError: another wrong argument.
    """
    least = checks.number(threshold, "threshold", 0, 1)
    if isinstance(img_path, (str, os.PathLike)):
        img = opencv().imread(os.fspath(img_path))
        if img is None:
            raise FileNotFoundError(f"img_path {os.fspath(img_path)!r} is no picture that OpenCV can read")
    else:
        img = as_bgr(img_path, "img_path")
    height, width = img.shape[:2]
    detector = build_model() if model is None else model
    dets, landmarks = detector.detect(img, thresholds=(*detector.params.thresholds[:2], least))
    faces = {}
    for i, (row, five) in enumerate(zip(dets.tolist(), points(landmarks).tolist(), strict=True)):
        area = [min(max(round(n), 0), limit) for n, limit in zip(row[:4], (width, height) * 2, strict=True)]
        named = dict(zip(_NAMES, five, strict=True))
        faces[f"face_{i + 1}"] = {"score": row[4], "facial_area": area, "landmarks": named}
    return faces
