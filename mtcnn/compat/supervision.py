"""What ``TrtMtcnn.detect`` returns as the objects of the package supervision, to draw, track and count."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.central import as_dets
from mtcnn.errors import MtcnnError
from mtcnn.landmarks import points

__all__ = ["to_detections", "to_key_points"]


def to_detections(dets: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32] | None = None) -> Any:
    """Return ``supervision.Detections`` of (n, 5) ``dets``: xyxy, confidence, class 0, "face".

    Args:
        landmarks: (n, 10); they go along as ``data["landmarks"]``, (n, 5, 2).

    Raises:
        MtcnnError: supervision is not installed.
    """
    rows = as_dets(dets).astype(np.float32)
    data: dict[str, Any] = {"class_name": np.full(len(rows), "face")}
    if landmarks is not None:
        data["landmarks"] = points(landmarks)
    return _supervision().Detections(
        xyxy=rows[:, :4],
        confidence=rows[:, 4] if rows.shape[1] == 5 else None,
        class_id=np.zeros(len(rows), int),
        data=data,
    )


def to_key_points(landmarks: npt.NDArray[np.float32]) -> Any:
    """Return ``supervision.KeyPoints`` of (n, 10) ``landmarks``: the viewer's left and right eye, nose, mouth corners.

    Raises:
        MtcnnError: supervision is not installed.
    """
    five = points(landmarks)
    return _supervision().KeyPoints(xy=five, class_id=np.zeros(len(five), int))


def _supervision() -> Any:
    try:
        import supervision
    except ImportError as error:
        raise MtcnnError("this needs supervision: pip install supervision") from error
    return supervision
