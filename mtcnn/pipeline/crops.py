"""Which faces of a picture are cut out, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mtcnn import checks
from mtcnn.align import FaceAligner
from mtcnn.central import choose_face, find_central_face
from mtcnn.faces import Face
from mtcnn.files import OutputError
from mtcnn.params import ALL_FACES, FACE_CHOICES
from mtcnn.pipeline.pictures import Array, Detected, SourceT
from mtcnn.pipeline.read import Picture
from mtcnn.pipeline.records import faces_as_json, quality_as_json
from mtcnn.quality import face_quality

__all__ = ["Cut", "Cutter", "cut_aligned", "cut_box", "most_central"]

_MOST_SIDE = 1 << 14  # pixels of a square, most of which may lie beyond its picture

Cut = Callable[[Picture, Array, Array], Picture]
"""What makes a crop: of the picture, the face's row of dets and its landmarks."""


@dataclass(frozen=True)
class Cutter:
    """Chooses faces and cuts them out; in any thread.

    Attributes:
        cut: makes a crop.
        face: one of FACE_CHOICES, or "all".
        status: of a picture of which there are crops.
        with_quality: say how good faces are.
        min_quality: of faces that are cut out.
    """

    cut: Cut
    face: str = FACE_CHOICES[0]
    status: str = "aligned"
    with_quality: bool = False
    min_quality: float = 0.0

    def __call__(self, file: str, result: Detected[SourceT]) -> tuple[dict[str, Any], Iterator[Picture]]:
        """What the manifest says of a picture, and the crops of its faces, one at most unless of all, as they are asked
        for.

        Raises:
            OutputError: when it is asked for, a crop is too large.
        """
        line: dict[str, Any] = {"file": file}
        if result.img is None:
            return line | {"status": "unreadable", "problem": result.problem}, iter(())
        height, width = result.img.shape[:2]
        line |= {"width": width, "height": height}
        if result.flaw:
            line[result.flaw] = True
        chosen: list[int] = list(range(len(result.dets)))
        if self.face != ALL_FACES:
            index = choose_face((height, width), result.dets, checks.choice(self.face, "face", FACE_CHOICES))
            chosen = [] if index is None else [index]
        if not chosen:
            return line | {"status": "no face"}, iter(())
        faces = faces_as_json(result.dets, result.landmarks)
        if self.with_quality or self.min_quality > 0:
            found = {i: face_quality(result.img, result.dets[i], result.landmarks[i]) for i in chosen}
            for i, quality in found.items():
                faces[i]["quality"] = quality_as_json(quality)
            chosen = [i for i in chosen if found[i].value >= self.min_quality]
        line |= {"status": self.status if chosen else "low quality"}
        if chosen:
            line["chosen"] = chosen if self.face == ALL_FACES else chosen[0]
        line["faces"] = faces
        img = result.img
        return line, (self.cut(img, result.dets[i], result.landmarks[i]) for i in chosen)


def cut_aligned(aligner: FaceAligner) -> Cut:
    return lambda img, det, landmarks: aligner.align(img, landmarks)


def cut_box(margin: float, square: bool) -> Cut:
    """What cuts boxes out as they lie, with a margin; square ones go on in black where the picture ends."""

    def cut(img: Picture, det: Array, landmarks: Array) -> Picture:
        if not square:
            return Face(det[:4], float(det[4]), landmarks.reshape(2, 5).T, img).crop(margin)
        x1, y1, x2, y2 = map(float, det[:4])
        side = max(1, round((1 + 2 * margin) * max(x2 - x1, y2 - y1)))
        if side > _MOST_SIDE:
            raise OutputError(f"a square crop would have {side} x {side} pixels, of at most {_MOST_SIDE} a side")
        left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
        crop = np.zeros((side, side, 3), np.uint8)
        inside = img[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
        row, column = max(0, -top), max(0, -left)
        crop[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
        return crop

    return cut


def most_central(result: Detected[SourceT]) -> Detected[SourceT]:
    """The result with no other face than the most central."""
    if result.img is None or len(result.dets) < 2:
        return result
    i = find_central_face(result.img, result.dets)
    assert i is not None
    return replace(result, dets=result.dets[i : i + 1], landmarks=result.landmarks[i : i + 1])
