"""Five points of a face, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.engines.networks import LANDMARK_NAMES

__all__ = ["parse_landmarks", "whole_pixels"]

_FARTHEST = 1 << 53  # pixels: beyond, floats skip whole numbers


def parse_landmarks(landmarks: Any) -> dict[str, Any]:
    """Return one face's points as ``{"left_eye": [x, y], ...}`` in whole pixels, rounded.

    Args:
        landmarks: a face as :meth:`mtcnn.MTCNN.detect_faces` returns it, a dict or an array row (16,);
            its "keypoints"; or (10,) ``[x1..x5, y1..y5]``.

    Raises:
        IndexError: a row without landmarks, (6,).
        ValueError: anything else.
    """
    if isinstance(landmarks, Mapping):
        return dict(landmarks.get("keypoints", landmarks))
    row = np.asarray(landmarks)
    if row.shape == (6,):
        raise IndexError("this face has no landmarks: O-Net did not look at it")
    if row.shape not in ((10,), (16,)):
        raise ValueError(f"landmarks must be a dict or have the shape (10,) or (16,), got {row.shape}")
    whole = whole_pixels(row[-10:], "landmarks").tolist()
    return {name: [whole[i], whole[i + 5]] for i, name in enumerate(LANDMARK_NAMES)}


def whole_pixels(numbers: npt.ArrayLike, name: str) -> npt.NDArray[np.int64]:
    """Coordinates rounded; as integers NaN and infinity would be some number or other.

    Raises:
        ValueError: one is NaN, infinite or so large.
    """
    rounded = np.round(np.asarray(numbers, np.float64))
    if not (np.abs(rounded) <= _FARTHEST).all():
        raise ValueError(f"{name} holds NaN, infinity or coordinates beyond any picture, got {rounded.tolist()}")
    return rounded.astype(np.int64)
