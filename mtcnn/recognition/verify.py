"""FaceVerifier: whether two pictures show one person."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.align import FaceAligner
from mtcnn.central import FACE_CHOICES, choose_face
from mtcnn.detector import TrtMtcnn
from mtcnn.errors import NoFaceError
from mtcnn.images import Color, Picture
from mtcnn.landmarks import FivePoints, points
from mtcnn.params import FaceChoice, Template
from mtcnn.recognition.embedder import FaceEmbedder
from mtcnn.runtime.fixed import Fixed

__all__ = ["DEFAULT_THRESHOLDS", "METRICS", "EmbeddedFace", "FaceVerifier", "Verification"]

Array = npt.NDArray[np.float32]

METRICS = ("euclidean", "cosine")
# Of vectors of length 1: a cosine distance is half the squared Euclidean one.
DEFAULT_THRESHOLDS = {"euclidean": 1.19, "cosine": 1.19**2 / 2}

_PICTURES = 16  # detected at once
_FACES = 64  # embedded at once


@dataclass(frozen=True, eq=False)
class EmbeddedFace:
    """The face of a picture.

    Attributes:
        embedding: (d,) float32, of length 1.
        det: (5,) float32 ``[x1, y1, x2, y2, score]``, in the picture's pixels.
        landmarks: (10,) float32 ``[x1..x5, y1..y5]``.
        crop: (height, width, 3) BGR uint8, aligned: what the embedder saw.
    """

    embedding: Array
    det: Array
    landmarks: Array
    crop: npt.NDArray[np.uint8]

    def __repr__(self) -> str:
        box = ", ".join(f"{side:.1f}" for side in self.det[:4])
        return f"EmbeddedFace(box=[{box}], score={self.det[4]:.3f}, embedding of {len(self.embedding)})"


@dataclass(frozen=True, eq=False)
class Verification:
    """The verdict on two pictures. It is true where they show one person: ``if verifier.verify(a, b)``.

    Attributes:
        same: whether they show one person; None where no face was found in one.
        distance: between the two embeddings; None where there is none.
        threshold: the greatest distance that is taken for one person.
        faces: the face in each picture, or None.
    """

    same: bool | None
    distance: float | None
    threshold: float
    faces: tuple[EmbeddedFace | None, EmbeddedFace | None]

    def __bool__(self) -> bool:
        return bool(self.same)  # also of NumPy's True

    def __repr__(self) -> str:
        distance = None if self.distance is None else round(self.distance, 3)
        return f"Verification(same={self.same}, distance={distance}, threshold={self.threshold:g})"


class FaceVerifier(Fixed):
    """Detects, aligns and embeds faces, and compares them. Any number of threads may share one.

    Args:
        embedder: path of an ONNX face embedder, or a `FaceEmbedder`.
        detector: default ``TrtMtcnn()``, of three networks. The embedder runs where it runs.
        metric: "euclidean" or "cosine" (1 - cosine), between vectors of length 1.
        threshold: the greatest distance taken for one person. It belongs to the embedder: choose it on pairs
            of your own with `mtcnn.recognition.thresholds.cross_validate`. Default 1.19 (Euclidean), which suits a
            MobileFaceNet; 0.71 (cosine) is the same.
        face: which face a picture is of where it has several: "prominent" (large and near the middle),
            "central", "largest" or "best"; see `mtcnn.central.choose_face`.
        template: where the five points go in the crops: "arcface", what nearly all embedders are trained on, or what
            else `FaceAligner` takes. Vectors of one collection need one template.

    Raises:
        EngineError, DeviceError: the embedder or an engine is missing or does not fit.
        TypeError, ValueError: a wrong argument.

    Example:
        >>> verifier = FaceVerifier("mobilefacenet.onnx")  # doctest: +SKIP
        >>> verifier.verify(cv2.imread("a.jpg"), cv2.imread("b.jpg")).same  # doctest: +SKIP
        True
    """

    _ARGUMENTS = frozenset({"embedder", "detector", "metric", "face", "template"})

    def __init__(
        self,
        embedder: str | os.PathLike[str] | FaceEmbedder,
        detector: TrtMtcnn | None = None,
        metric: str = "euclidean",
        threshold: float | None = None,
        *,
        face: FaceChoice = "prominent",
        template: Template | FivePoints = "arcface",
    ) -> None:
        self._metric = checks.choice(metric, "metric", METRICS)
        self._threshold = checks.number(
            DEFAULT_THRESHOLDS[metric] if threshold is None else threshold, "threshold", 0, 2
        )
        self._face = checks.choice(face, "face", FACE_CHOICES)
        if detector is not None:
            networks = checks.instance(detector, TrtMtcnn, "detector").params.networks
            if networks < 3:
                raise ValueError(
                    f"detector must run O-Net, which finds the points that faces are aligned by: TrtMtcnn(networks=3), "
                    f"got networks={networks}"
                )
        if isinstance(embedder, FaceEmbedder):
            self._embedder = embedder
            self._detector = detector or TrtMtcnn()
        else:
            if not isinstance(embedder, (str, os.PathLike)):
                raise TypeError(f"embedder must be the path of an ONNX file or a FaceEmbedder, got {embedder!r}")
            self._detector = detector or TrtMtcnn()
            self._embedder = FaceEmbedder(embedder, self._detector.device)
        self._aligner = FaceAligner(self._embedder.size, template=template)

    @property
    def threshold(self) -> float:
        """The greatest distance that is taken for one person."""
        return self._threshold

    def verify(self, a: Picture, b: Picture, *, required: bool = False, color: Color = "bgr") -> Verification:
        """Compare the faces of two pictures.

        Args:
            a, b: any pictures that ``detect`` takes.
            required: raise NoFaceError where a picture shows no face.
            color: order of their channels, "bgr" or "rgb".
        """
        each = self._embed([a, b], required, color, all_faces=False, name="ab".__getitem__)
        first, second = (next(iter(faces), None) for faces in each)
        if first is None or second is None:
            return Verification(None, None, self._threshold, (first, second))
        distance = float(self._distances(first.embedding[np.newaxis], second.embedding[np.newaxis])[0, 0])
        return Verification(distance <= self._threshold, distance, self._threshold, (first, second))

    @overload
    def embed(
        self,
        images: Iterable[Picture],
        *,
        required: bool = False,
        color: Color = "bgr",
        all_faces: Literal[False] = False,
    ) -> list[EmbeddedFace | None]: ...

    @overload
    def embed(
        self, images: Iterable[Picture], *, required: bool = False, color: Color = "bgr", all_faces: Literal[True]
    ) -> list[list[EmbeddedFace]]: ...

    def embed(
        self, images: Iterable[Picture], *, required: bool = False, color: Color = "bgr", all_faces: bool = False
    ) -> list[EmbeddedFace | None] | list[list[EmbeddedFace]]:
        """Return the face of each picture, in order; None where there is none.

        Args:
            images: any pictures that ``detect`` takes, of any sizes.
            required: raise NoFaceError where a picture shows no face.
            color: order of their channels, "bgr" or "rgb".
            all_faces: return a list of all faces of each picture instead, best score first, whatever `face` is.
        """
        all_faces = checks.flag(all_faces, "all_faces")
        every = self._embed(images, required, color, all_faces)
        return every if all_faces else [next(iter(faces), None) for faces in every]

    def _embed(
        self,
        images: Iterable[Picture],
        required: bool,
        color: Color,
        all_faces: bool,
        argument: str = "images",
        name: Callable[[int], str] | None = None,
    ) -> list[list[EmbeddedFace]]:
        """name: what errors call each picture, by its number; by default an item of `argument`."""
        call = name or f"{argument}[{{}}]".format
        if isinstance(images, np.ndarray) and images.ndim < 4:
            raise TypeError(f"{argument} must be a list of pictures; of a single one make a list, [img]")
        faces: list[list[EmbeddedFace]] = []
        pictures = iter(images)
        while chunk := list(itertools.islice(pictures, _PICTURES)):
            found = self._detector._detect_batch(chunk, self._detector.params, color, partial(_from, call, len(faces)))
            detected = ((img, *faces_of) for img, faces_of in zip(chunk, found, strict=True))
            faces += self._embed_detected(detected, color, all_faces)
            if required and [] in faces:
                raise NoFaceError(f"there is no face in {call(faces.index([]))}")
        return faces

    def compare(
        self, images: Iterable[Picture], others: Iterable[Picture] | None = None, *, color: Color = "bgr"
    ) -> Array:
        """Return the distances (n, m) float32 between the faces of pictures; NaN where there is no face.

        Args:
            images: n pictures.
            others: m pictures; default the same ones: each with each.
            color: order of their channels, "bgr" or "rgb".
        """
        rows = self._embeddings(images, color, "images")
        return self._distances(rows, rows if others is None else self._embeddings(others, color, "others"))

    def _embeddings(self, images: Iterable[Picture], color: Color, argument: str) -> Array:
        each = self._embed(images, False, color, False, argument)
        faces = [next(iter(found), None) for found in each]
        length = next((len(face.embedding) for face in faces if face is not None), 1)
        rows = np.full((len(faces), length), np.nan, np.float32)
        for row, face in zip(rows, faces, strict=True):
            if face is not None:
                row[:] = face.embedding
        return rows

    def embed_detected(
        self, pictures: Iterable[tuple[Picture, npt.ArrayLike, npt.ArrayLike]], *, color: Color = "bgr"
    ) -> list[EmbeddedFace | None]:
        """`embed` for pictures whose faces are known: (img, dets, landmarks) each, as from ``detect``.

        The landmarks may also be (n, 5, 2), ``[x, y]``.
        """
        return [next(iter(faces), None) for faces in self._embed_detected(pictures, color, all_faces=False)]

    def embed_all_detected(
        self, pictures: Iterable[tuple[Picture, npt.ArrayLike, npt.ArrayLike]], *, color: Color = "bgr"
    ) -> list[list[EmbeddedFace]]:
        """`embed(all_faces=True)` for pictures whose faces are known, as `embed_detected`."""
        return self._embed_detected(pictures, color, all_faces=True)

    def _embed_detected(
        self, pictures: Iterable[tuple[Picture, npt.ArrayLike, npt.ArrayLike]], color: Color, all_faces: bool
    ) -> list[list[EmbeddedFace]]:
        faces: list[list[EmbeddedFace]] = []
        chosen = []
        for i, (img, dets, landmarks) in enumerate(pictures):
            faces.append([])
            index = choose_face(img, dets, self._face)
            if index is None:
                continue
            rows = np.asarray(dets, np.float32)
            points = _of_each(landmarks, len(rows))
            for k in range(len(rows)) if all_faces else [index]:
                crop = self._aligner.align(img, points[k], color=color)
                chosen.append((i, rows[k], points[k].T.reshape(10), crop))
        for start in range(0, len(chosen), _FACES):
            part = chosen[start : start + _FACES]
            vectors = self._embedder.embed(np.stack([crop for *_, crop in part]))
            for vector, (i, det, five, crop) in zip(vectors, part, strict=True):
                faces[i].append(EmbeddedFace(vector, det, five, crop))
        return faces

    def _distances(self, rows: Array, columns: Array) -> Array:
        if rows.shape[1] != columns.shape[1]:  # no face at all on one side
            return np.full((len(rows), len(columns)), np.nan, np.float32)
        distance = 1 - np.clip(_unit(rows) @ _unit(columns).T, -1, 1)
        if self._metric == "euclidean":
            distance = np.sqrt(2 * distance)
        return distance.astype(np.float32)


def _from(name: Callable[[int], str], first: int, i: int) -> str:
    return name(first + i)


def _of_each(landmarks: npt.ArrayLike, faces: int) -> Array:
    """(n, 5, 2) points, of as many faces as there are boxes."""
    five = points(landmarks)
    if len(five) != faces:
        raise ValueError(f"landmarks must have a row for each of the {faces} boxes in dets, got {len(five)}")
    return five


def _unit(rows: Array) -> npt.NDArray[np.float64]:
    """Of length 1 in float64, too: of float32's 5e-8 the root in a distance would make 3e-4."""
    exact = rows.astype(np.float64)
    unit: npt.NDArray[np.float64] = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    return unit
