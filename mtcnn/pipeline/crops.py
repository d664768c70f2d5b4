"""Which face of a picture, and its aligned crop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mtcnn.align import FaceAligner
from mtcnn.central import choose_face, find_central_face
from mtcnn.pipeline.pictures import Detected, SourceT
from mtcnn.pipeline.read import Picture
from mtcnn.pipeline.records import faces_as_json

__all__ = ["cut_face", "most_central"]


def cut_face(
    file: str, result: Detected[SourceT], aligner: FaceAligner, face: str
) -> tuple[dict[str, Any], Picture | None]:
    """What the manifest says of a picture, and the crop of its face where it has one."""
    line: dict[str, Any] = {"file": file}
    if result.img is None:
        return line | {"status": "unreadable", "problem": result.problem}, None
    height, width = result.img.shape[:2]
    line |= {"width": width, "height": height}
    if result.truncated:
        line["truncated"] = True
    index = choose_face((height, width), result.dets, face)
    if index is None:
        return line | {"status": "no face"}, None
    line |= {"status": "aligned", "chosen": index, "faces": faces_as_json(result.dets, result.landmarks)}
    return line, aligner.align(result.img, result.landmarks[index])


def most_central(result: Detected[SourceT]) -> Detected[SourceT]:
    """The result with no other face than the most central."""
    if result.img is None or len(result.dets) < 2:
        return result
    i = find_central_face(result.img, result.dets)
    assert i is not None
    return replace(result, dets=result.dets[i : i + 1], landmarks=result.landmarks[i : i + 1])
