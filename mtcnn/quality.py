"""How good a picture of a face is: its pose, sharpness and size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mtcnn.align import FaceAligner
from mtcnn.images import Color, Picture, as_bgr
from mtcnn.landmarks import as_numbers, as_points
from mtcnn.templates import ARCFACE

__all__ = ["FaceQuality", "face_quality", "head_pose"]

# The average face, upright and frontal: x to the right, y down, z away from the viewer. The nose's tip stands before
# the plane of eyes and mouth by 0.6 of their distance: A. Gee, R. Cipolla, "Determining the gaze of faces in images",
# Image and Vision Computing 12(10), 1994.
_NOSE = 0.6 * (ARCFACE[3:, 1].mean() - ARCFACE[:2, 1].mean())
_MODEL = np.column_stack([ARCFACE, [0, 0, -_NOSE, 0, 0]])
_MODEL -= _MODEL.mean(axis=0)
_INVERSE = np.linalg.pinv(_MODEL)

_SIDE = 112  # pixels of the crop that sharpness is of: what recognition networks see
_SHARP = 100.0  # the sharpness that counts half
_ALIGNER = FaceAligner((_SIDE, _SIDE), template="arcface")


@dataclass(frozen=True, repr=False)
class FaceQuality:
    """How good a picture of a face is.

    Attributes:
        value: 0 to 1, the product of the detector's score, size / 112 up to 1, sharpness / (sharpness + 100) and the
            cosines of yaw and pitch. It orders pictures of a person; it is no probability.
        size: side of the square that is as large as the box, pixels.
        sharpness: variance of the Laplacian of the aligned face, 112x112, in levels of gray 0 to 255.
        yaw, pitch, roll: see `head_pose`, degrees.
    """

    value: float
    size: float
    sharpness: float
    yaw: float
    pitch: float
    roll: float

    def __repr__(self) -> str:
        pose = f"yaw={round(self.yaw)}, pitch={round(self.pitch)}, roll={round(self.roll)}"
        return f"FaceQuality(value={self.value:.3f}, size={self.size:.0f}, sharpness={self.sharpness:.0f}, {pose})"


def head_pose(landmarks: npt.ArrayLike) -> tuple[float, float, float]:
    """Return yaw, pitch and roll of a face in degrees, from its five points.

    Yaw is positive where it looks to the viewer's right, pitch where it looks up, roll where it is turned clockwise.
    The pose is that of an average face whose points, seen from afar, come nearest to those by least squares: POS, the
    scaled orthography of D. DeMenthon, L. Davis, "Model-based object pose in 25 lines of code", IJCV 15, 1995. Real
    faces differ from the average one, and of profiles the detector's points are rough.

    Args:
        landmarks: (10,) ``[x1..x5, y1..y5]`` as from ``detect``, or (5, 2) ``[x, y]``.

    Raises:
        ValueError: another shape, NaN or infinity, or points that are all equal.
    """
    points = as_points(landmarks)
    points = points - points.mean(axis=0)
    largest = np.abs(points).max()
    if not largest > 0:
        raise ValueError("landmarks holds five equal points")
    rows, _, columns = np.linalg.svd((_INVERSE @ (points / largest)).T, full_matrices=False)
    first, second = rows @ columns  # the nearest pair of unit vectors at right angles
    third = np.cross(first, second)
    yaw = math.asin(min(1.0, max(-1.0, float(third[0]))))
    pitch = -math.atan2(third[1], third[2])
    roll = math.atan2(second[0], first[0])
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def face_quality(img: Picture, det: npt.ArrayLike, landmarks: npt.ArrayLike, *, color: Color = "bgr") -> FaceQuality:
    """Return how good a picture of a face is.

    Args:
        img: any picture that ``detect`` takes; color: the order of its channels.
        det: (5,) ``[x1, y1, x2, y2, score]``, in pixels, as a row of what ``detect`` returns.
        landmarks: (10,) or (5, 2), its points.

    Raises:
        TypeError, ValueError: a wrong argument.

    Example:
        >>> dets, landmarks = detector.detect(img)  # doctest: +SKIP
        >>> face_quality(img, dets[0], landmarks[0]).value  # doctest: +SKIP
        0.62
    """
    box = as_numbers(det, "det")
    if box.shape != (5,) or not np.isfinite(box).all():
        mend = "; for one face of several pass dets[i] and landmarks[i]" if box.ndim == 2 else ""
        raise ValueError(f"det must be [x1, y1, x2, y2, score], finite numbers, got the shape {box.shape}{mend}")
    yaw, pitch, roll = head_pose(landmarks)
    sharpness = _sharpness(_ALIGNER.align(as_bgr(img, color=color), landmarks))
    size = math.sqrt(max(0.0, float(box[2] - box[0])) * max(0.0, float(box[3] - box[1])))
    frontal = max(0.0, math.cos(math.radians(yaw))) * max(0.0, math.cos(math.radians(pitch)))
    value = min(1.0, max(0.0, float(box[4]))) * min(1.0, size / _SIDE) * sharpness / (sharpness + _SHARP) * frontal
    return FaceQuality(value, size, sharpness, yaw, pitch, roll)


def _sharpness(crop: npt.NDArray[np.uint8]) -> float:
    """Variance of the Laplacian: J. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000."""
    gray = crop.astype(np.float32) @ np.array([0.114, 0.587, 0.299], np.float32)
    inner = gray[1:-1, 1:-1]
    laplacian = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * inner
    return float(laplacian.var())
