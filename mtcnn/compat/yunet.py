"""OpenCV's ``cv2.FaceDetectorYN`` (YuNet), its calls and its rows, found by MTCNN.

``cv2.FaceDetectorYN.create(...)`` becomes ``mtcnn.compat.yunet.FaceDetectorYN.create(...)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.central import as_dets
from mtcnn.compat.pictures import dark_as
from mtcnn.detector import TrtMtcnn
from mtcnn.images import as_bgr
from mtcnn.landmarks import points
from mtcnn.params import least_score

__all__ = ["FaceDetectorYN", "FaceDetectorYN_create", "as_rows"]


def as_rows(dets: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what ``TrtMtcnn.detect`` found as YuNet's rows, (n, 15) float32.

    ``[x, y, width, height, x and y of the five points, score]``: the person's right eye, left eye, nose, right and left
    corner of the mouth.

    Raises:
        TypeError, ValueError: no numbers, another shape, or not as many of both.
    """
    rows, five = as_dets(dets), points(landmarks).reshape(-1, 10)  # the viewer's left is the person's right
    if rows.shape[1] != 5 or len(rows) != len(five):
        raise ValueError(f"dets must be (n, 5) with landmarks (n, 10), got {rows.shape} and {len(five)} landmarks")
    return np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2], five, rows[:, 4:]], axis=1).astype(np.float32)


class FaceDetectorYN:
    """The detector with the constructor, calls and results of ``cv2.FaceDetectorYN``.

    Args:
        model, config, backend_id, target_id: without effect: the networks are built in.
        input_size: (width, height) of the pictures.
        score_threshold: least score of a face, which O-Net has to give, or what runs last. MTCNN's own is 0.7.
        nms_threshold: kept, without effect: MTCNN suppresses by its own overlaps.
        top_k: faces a picture at most, best first.
        detector: what finds them; default ``TrtMtcnn(minsize=20)``.
    """

    def __init__(
        self,
        model: object = "",
        config: object = "",
        input_size: tuple[int, int] = (320, 320),
        score_threshold: float = 0.9,
        nms_threshold: float = 0.3,
        top_k: int = 5000,
        backend_id: int = 0,
        target_id: int = 0,
        *,
        detector: TrtMtcnn | None = None,
    ) -> None:
        self._detector = TrtMtcnn(minsize=20) if detector is None else checks.instance(detector, TrtMtcnn, "detector")
        self.setInputSize(input_size)
        self.setScoreThreshold(score_threshold)
        self.setNMSThreshold(nms_threshold)
        self.setTopK(top_k)

    def __repr__(self) -> str:
        return f"FaceDetectorYN(input_size={self._input_size}, score_threshold={self._score_threshold:g})"

    @classmethod
    def create(cls, *args: Any, **kwargs: Any) -> FaceDetectorYN:
        return cls(*args, **kwargs)

    def setInputSize(self, input_size: tuple[int, int]) -> None:
        sides = checks.pair(input_size, "input_size must be (width, height)")
        width, height = (checks.whole(side, "input_size", 1, 1 << 24) for side in sides)
        self._input_size = width, height

    def getInputSize(self) -> tuple[int, int]:
        return self._input_size

    def setScoreThreshold(self, score_threshold: float) -> None:
        self._score_threshold = checks.number(score_threshold, "score_threshold", 0, 1)

    def getScoreThreshold(self) -> float:
        return self._score_threshold

    def setNMSThreshold(self, nms_threshold: float) -> None:
        self._nms_threshold = checks.number(nms_threshold, "nms_threshold", 0, 1)

    def getNMSThreshold(self) -> float:
        return self._nms_threshold

    def setTopK(self, top_k: int) -> None:
        self._top_k = checks.whole(top_k, "top_k", 1, 1 << 31)

    def getTopK(self) -> int:
        return self._top_k

    def detect(self, image: npt.NDArray[Any], faces: object = None) -> tuple[int, npt.NDArray[np.float32] | None]:
        """Return 1 and the faces of a picture, BGR (H, W, 3), (n, 15) float32 as :func:`as_rows` has it; None for none.

        Args:
            faces: without effect: OpenCV writes into it.

        Raises:
            ValueError: the picture has another size than ``setInputSize`` was told.
        """
        frame = as_bgr(image, "image")
        height, width = frame.shape[:2]
        if (width, height) != self._input_size:
            raise ValueError(
                f"image is {width}x{height}, not {self._input_size}: setInputSize(({width}, {height})) first"
            )
        with dark_as("image"):
            found = self._detector.detect(frame, thresholds=least_score(self._detector.params, self._score_threshold))
        rows = as_rows(*found)[: self._top_k]
        return 1, rows if len(rows) else None


FaceDetectorYN_create = FaceDetectorYN.create
