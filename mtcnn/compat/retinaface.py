"""The package retina-face's ``RetinaFace.detect_faces``, found by MTCNN.

``from retinaface import RetinaFace`` becomes ``from mtcnn.compat import retinaface as RetinaFace``.
"""

from __future__ import annotations

import functools
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.detector import TrtMtcnn
from mtcnn.files import read_regular
from mtcnn.images import as_bgr
from mtcnn.images.decode import UnreadableError, decode
from mtcnn.landmarks import points

__all__ = ["build_model", "detect_faces"]

log = logging.getLogger("mtcnn")

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
        img_path: a path, or BGR (H, W, 3). A file is turned as its EXIF data says, as OpenCV does. One that is cut off
            is read as far as it goes, with a warning in the log.
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
    if model is not None:
        checks.instance(model, TrtMtcnn, "model")
    if isinstance(img_path, (str, os.PathLike)):
        img = _read(checks.path(img_path, "img_path"))
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


def _read(path: Path) -> npt.NDArray[np.uint8]:
    try:
        img, truncated = decode(read_regular(path))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no img_path {str(path)!r}") from None
    except UnreadableError as error:
        raise FileNotFoundError(f"img_path {str(path)!r} cannot be read: {error}") from None
    if truncated:
        log.warning("img_path %r is truncated: the rest of the picture is gray", str(path))
    return img
