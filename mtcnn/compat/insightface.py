"""InsightFace's detection models, ``Face`` objects and ``face_align``, and its older ``MtcnnDetector``.

``model_zoo.get_model(...)`` and ``FaceAnalysis(allowed_modules=["detection"])`` become ``Detector()``; ``norm_crop``
and ``estimate_norm`` come from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.align import FaceAligner
from mtcnn.detector import TrtMtcnn
from mtcnn.draw import draw_faces
from mtcnn.images import as_bgr
from mtcnn.landmarks import points
from mtcnn.params import least_score

__all__ = ["Detector", "Face", "MtcnnDetector", "estimate_norm", "norm_crop", "norm_crop2"]

Array = npt.NDArray[Any]
Metric = Literal["default", "max"]
Mode = Literal["arcface"]

_INSTEAD = {"FaceAnalysis": "Detector", "model_zoo": "Detector", "get_model": "Detector", "face_align": "norm_crop"}


if not TYPE_CHECKING:  # to which any name would be there

    def __getattr__(name: str) -> Any:
        if name in _INSTEAD:
            raise ImportError(
                f"{name} of insightface is here {_INSTEAD[name]}: from {__name__} import {_INSTEAD[name]}"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Face(dict[str, Any]):
    """A face whose entries are attributes: ``bbox`` (4,), ``kps`` (5, 2), ``det_score``; None for what it lacks.

    Dictionaries in it become the same, tuples become lists.

    Of an ``embedding`` that is set: ``embedding_norm``, its length, and ``normed_embedding``, the same with length 1;
    of a ``gender`` ``sex``, "M" or "F".
    """

    def __init__(self, d: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__()
        for name, value in (dict(d or {}) | kwargs).items():
            self[name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, (list, tuple)):
            value = [_as_face(part) for part in value]
        super().__setitem__(name, _as_face(value))

    @property
    def embedding_norm(self) -> float | None:
        return None if self.embedding is None else float(np.linalg.norm(self.embedding))

    @property
    def normed_embedding(self) -> Array | None:
        return None if self.embedding is None else np.asarray(self.embedding) / np.linalg.norm(self.embedding)

    @property
    def sex(self) -> str | None:
        return None if self.gender is None else "M" if self.gender == 1 else "F"

    def __repr__(self) -> str:
        if self.bbox is None or self.det_score is None:
            return f"Face({', '.join(self)})"
        box = ", ".join(f"{side:.1f}" for side in self.bbox)
        return f"Face(bbox=[{box}], det_score={self.det_score:.3f})"


def _boxes(faces: Sequence[Face]) -> Array:
    return np.array([face.bbox for face in faces], np.float32).reshape(-1, 4)


def _labels(faces: Sequence[Face]) -> list[str]:
    return ["" if face.det_score is None else f"{face.det_score:.2f}" for face in faces]


def _as_face(value: Any) -> Any:
    return Face(value) if isinstance(value, dict) and not isinstance(value, Face) else value


class Detector:
    """What ``model_zoo.get_model`` returns for detection, and what ``FaceAnalysis`` does with it.

    Args:
        detector: what finds the faces; default ``TrtMtcnn(minsize=20)``.
    """

    taskname = "detection"

    def __init__(self, detector: TrtMtcnn | None = None) -> None:
        self._detector = TrtMtcnn(minsize=20) if detector is None else checks.instance(detector, TrtMtcnn, "detector")
        self.det_thresh: float | None = None

    def __repr__(self) -> str:
        return f"Detector({self._detector!r})"

    def prepare(self, ctx_id: int = 0, det_thresh: float | None = None, **kwargs: Any) -> None:
        """Set the least score of a face, default MTCNN's 0.7. Other arguments are without effect: any size is taken."""
        self.det_thresh = None if det_thresh is None else checks.number(det_thresh, "det_thresh", 0, 1)

    def detect(
        self,
        img: Array,
        input_size: object = None,
        max_num: int = 0,
        metric: Metric = "default",
        det_thresh: float | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return boxes and scores (n, 5), and points (n, 5, 2), best first.

        Args:
            img: BGR (H, W, 3).
            input_size: without effect.
            max_num: faces at most; 0: all.
            metric: which are taken: "max", the largest; "default", those large and near the middle.
            det_thresh: the least score of a face, for this call.

        Raises:
            TypeError, ValueError: a wrong argument.
        """
        frame = as_bgr(img)
        checks.choice(metric, "metric", get_args(Metric))
        most = checks.whole(max_num, "max_num", 0, 1 << 31)
        least = self.det_thresh if det_thresh is None else checks.number(det_thresh, "det_thresh", 0, 1)
        usual = self._detector.params
        thresholds = usual.thresholds if least is None else least_score(usual, least)
        dets, landmarks = self._detector.detect(frame, thresholds=thresholds)
        if 0 < most < len(dets):
            size = dets[:, 2:4] - dets[:, :2]
            value = size[:, 0] * size[:, 1]
            if metric != "max":
                offset = (dets[:, :2] + dets[:, 2:4]) / 2 - np.array(frame.shape[1::-1]) // 2
                value = value - 2 * (offset**2).sum(axis=1)
            chosen = np.argsort(-value, kind="stable")[:most]
            dets, landmarks = dets[chosen], landmarks[chosen]
        return dets, points(landmarks)

    def get(self, img: Array, max_num: int = 0, det_metric: Metric = "default") -> list[Face]:
        """Return the faces as objects, as ``FaceAnalysis.get`` does; det_metric: the `metric` of `detect`."""
        checks.choice(det_metric, "det_metric", get_args(Metric))
        dets, kpss = self.detect(img, max_num=max_num, metric=det_metric)
        return [Face(bbox=row[:4], kps=kps, det_score=float(row[4])) for row, kps in zip(dets, kpss, strict=True)]

    def draw_on(self, img: Array, faces: Sequence[Face]) -> npt.NDArray[np.uint8]:
        """Return a copy of a BGR picture with boxes, and the scores and points that faces have.

        Raises:
            MtcnnError: OpenCV is not installed.
        """
        whole = [face for face in faces if face.kps is not None]
        drawn = draw_faces(img, _boxes(whole), [face.kps for face in whole], labels=_labels(whole))
        boxed = [face for face in faces if face.kps is None]
        return draw_faces(drawn, _boxes(boxed), labels=_labels(boxed)) if boxed else drawn


class MtcnnDetector:
    """The older MXNet detector: ``minsize`` as `minsize`, ``threshold``, ``factor``; the rest is without effect."""

    def __init__(
        self,
        model_folder: object = ".",
        minsize: float = 20,
        threshold: Sequence[float] = (0.6, 0.7, 0.8),
        factor: float = 0.709,
        num_worker: int = 1,
        accurate_landmark: bool = False,
        ctx: object = None,
    ) -> None:
        self._detector = TrtMtcnn(minsize=minsize, thresholds=threshold, factor=factor)

    def __repr__(self) -> str:
        return f"MtcnnDetector({self._detector!r})"

    def detect_face(self, img: Array, det_type: int = 0) -> tuple[Array, Array] | None:
        """Return boxes and scores (n, 5) and landmarks (n, 10) ``[x1..x5, y1..y5]`` of a BGR picture; None for none."""
        dets, landmarks = self._detector.detect(img)
        return (dets, landmarks) if len(dets) else None


def estimate_norm(lmk: npt.ArrayLike, image_size: int = 112, mode: Mode = "arcface") -> npt.NDArray[np.float64]:
    """Return the (2, 3) matrix from the picture to a crop, a square of `image_size`, a multiple of 112 or 128.

    Args:
        lmk: (5, 2) points ``[x, y]``.
    """
    return _aligner(image_size, mode).transform(lmk)


def norm_crop(
    img: Array, landmark: npt.ArrayLike, image_size: int = 112, mode: Mode = "arcface"
) -> npt.NDArray[np.uint8]:
    """Return a face, BGR uint8 (`image_size`, `image_size`, 3), as ArcFace's networks take it: see `estimate_norm`."""
    return _aligner(image_size, mode).align(img, landmark)


def norm_crop2(
    img: Array, landmark: npt.ArrayLike, image_size: int = 112, mode: Mode = "arcface"
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Return `norm_crop` and its matrix."""
    return norm_crop(img, landmark, image_size, mode), estimate_norm(landmark, image_size, mode)


def _aligner(image_size: int, mode: Mode) -> FaceAligner:
    size = checks.whole(image_size, "image_size", 1, 1 << 14)
    checks.choice(mode, "mode", get_args(Mode))
    if size % 112 and size % 128:
        raise ValueError(f"image_size must be a multiple of 112 or 128, got {size}")
    return FaceAligner((size, size), template="arcface")
