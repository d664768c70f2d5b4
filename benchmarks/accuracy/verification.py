"""Verification: are two photographs of one person? As LFW asks it.

G. B. Huang, E. Learned-Miller, "Labeled Faces in the Wild: Updates and New Reporting Procedures", 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtcnn import FaceAligner
from mtcnn.central import find_central_face

__all__ = ["Embedder", "VerificationScores", "ten_fold"]

FOLDS = 10


@dataclass(frozen=True)
class VerificationScores:
    """`accuracy` and its standard error over the folds, %; `missed`: pairs with a photograph in which no face was
    found. These count as wrong."""

    accuracy: float
    standard_error: float
    missed: int


def ten_fold(distances: ArrayLike, same: ArrayLike) -> VerificationScores:
    """Accuracy of "same person where the distance is below a threshold", by cross-validation.

    Pair i is of fold i modulo 10. For each fold the threshold is the one that is right most often on the other nine.

    Args:
        distances: (n,), NaN where a face was not found.
        same: (n,) bool.
    """
    d, s = np.asarray(distances, np.float64), np.asarray(same, bool)
    fold = np.arange(len(d)) % FOLDS
    right = []
    for k in range(FOLDS):
        inside = fold == k
        threshold = best_threshold(d[~inside], s[~inside])
        right.append(np.mean(((d[inside] < threshold) == s[inside]) & ~np.isnan(d[inside])))
    spread = np.std(right, ddof=1) / np.sqrt(FOLDS)
    return VerificationScores(float(100 * np.mean(right)), float(100 * spread), int(np.isnan(d).sum()))


def best_threshold(distances: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """The middle between two neighbouring distances that is right most often; the lowest such."""
    known = ~np.isnan(distances)
    order = np.argsort(distances[known], kind="stable")
    d, s = distances[known][order], same[known][order]
    if not len(d):
        return 0.0
    # With the first k pairs below the threshold: those of them that are the same, and the others that are not.
    right = np.concatenate([[0], np.cumsum(s)]) + (~s).sum() - np.concatenate([[0], np.cumsum(~s)])
    edges = np.concatenate([[d[0] - 1], (d[1:] + d[:-1]) / 2, [d[-1] + 1]])
    return float(edges[right.argmax()])


class Embedder:
    """A face recognition network, RGB 112x112 (x - 127.5) / 127.5 -> a vector, in float32."""

    def __init__(self, model: Path) -> None:
        import openvino

        self._model = openvino.Core().compile_model(str(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._aligner = FaceAligner(template="arcface")

    def embed(self, img: NDArray[np.uint8], dets: ArrayLike, landmarks: ArrayLike) -> NDArray[np.float64] | None:
        """The unit vector of the face that the picture is of; None where there is none."""
        boxes, points = np.asarray(dets, np.float64), np.asarray(landmarks, np.float64)
        central = find_central_face(img, boxes) if len(boxes) else None
        if central is None:
            return None
        face = self._aligner.align(img, points[central])
        data = (face[np.newaxis, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5
        vector: Any = self._model([np.ascontiguousarray(data)])[0][0].astype(np.float64)
        unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
        return unit
