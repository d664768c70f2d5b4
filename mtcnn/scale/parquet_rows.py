"""A picture's row: what the one-process command says of it, as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from mtcnn.align import FaceAligner
from mtcnn.engines.networks import LANDMARK_NAMES
from mtcnn.pipeline.crops import cut_face, most_central
from mtcnn.pipeline.pictures import Detected
from mtcnn.pipeline.records import picture_as_json
from mtcnn.pipeline.write import encode_picture
from mtcnn.scale.plan import Stored

__all__ = ["SCHEMAS", "count_outcomes", "make_row"]

Row = dict[str, Any]

_NUMBERS = pa.list_(pa.float64())
_FACES = pa.list_(
    pa.struct({"box": _NUMBERS, "score": pa.float64(), "landmarks": pa.struct(dict.fromkeys(LANDMARK_NAMES, _NUMBERS))})
)
_PICTURE = {
    "file": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "problem": pa.string(),
    "truncated": pa.bool_(),
    "faces": _FACES,
}

SCHEMAS = {
    "detect": pa.schema(_PICTURE),
    "align": pa.schema({**_PICTURE, "status": pa.string(), "chosen": pa.int32(), "image": pa.binary()}),
}


def make_row(settings: dict[str, Any]) -> Callable[[Detected[Stored]], Row]:
    """What makes the row of a picture, in any thread."""
    if settings["command"] == "detect":
        return lambda result: _detected(result, settings["central"])
    aligner = FaceAligner(tuple(settings["size"]), settings["margin"], settings["template"])
    return lambda result: _aligned(result, aligner, settings["face"], Path(f"crop.{settings['format']}"))


def count_outcomes(command: str, rows: list[Row]) -> Counter[str]:
    """What the command reports of its pictures."""
    if command == "align":
        return Counter(row["status"] for row in rows)
    unreadable = sum("problem" in row for row in rows)
    return Counter(pictures=len(rows), faces=sum(len(row.get("faces", ())) for row in rows), unreadable=unreadable)


def _detected(result: Detected[Stored], central: bool) -> Row:
    return picture_as_json(result.found.file, most_central(result) if central else result)


def _aligned(result: Detected[Stored], aligner: FaceAligner, face: str, kind: Path) -> Row:
    row, crop = cut_face(result.found.file, result, aligner, face)
    return row if crop is None else row | {"image": encode_picture(kind, crop)}
