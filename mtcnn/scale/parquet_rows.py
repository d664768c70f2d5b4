"""A picture's row: what the one-process command says of it, as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from mtcnn.align import FaceAligner
from mtcnn.engines.networks import LANDMARK_NAMES
from mtcnn.params import ALL_FACES
from mtcnn.pipeline.crops import Cutter, cut_aligned, most_central
from mtcnn.pipeline.pictures import Detected
from mtcnn.pipeline.read import FLAWS
from mtcnn.pipeline.records import picture_as_json
from mtcnn.pipeline.write import encode_picture
from mtcnn.quality import FaceQuality
from mtcnn.scale.plan import Stored

__all__ = ["count_outcomes", "make_row", "make_schema"]

Row = dict[str, Any]

_NUMBERS = pa.list_(pa.float64())
_FACE = {"box": _NUMBERS, "score": pa.float64(), "landmarks": pa.struct(dict.fromkeys(LANDMARK_NAMES, _NUMBERS))}
_PICTURE = {
    "file": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "problem": pa.string(),
    **dict.fromkeys(FLAWS, pa.bool_()),
}
_CROP = {"status": pa.string(), "chosen": pa.int32(), "image": pa.binary()}
_CROPS = {"status": pa.string(), "chosen": pa.list_(pa.int32()), "images": pa.list_(pa.binary())}


def make_schema(settings: dict[str, Any]) -> pa.Schema:
    """Of the rows that a command with these settings makes."""
    face = dict(_FACE)
    if _has_quality(settings):
        face["quality"] = pa.struct([(field.name, pa.float64()) for field in fields(FaceQuality)])
    columns = {**_PICTURE, "faces": pa.list_(pa.struct(face))}
    if settings["command"] == "align":
        columns |= _CROPS if settings["face"] == ALL_FACES else _CROP
    return pa.schema(columns)


def make_row(settings: dict[str, Any]) -> Callable[[Detected[Stored]], Row]:
    """What makes the row of a picture, in any thread."""
    if settings["command"] == "detect":
        return lambda result: _detected(result, settings["central"])
    aligner = FaceAligner(tuple(settings["size"]), settings["margin"], settings["template"])
    with_quality, min_quality = _has_quality(settings), settings.get("min_quality", 0.0)
    cutter = Cutter(cut_aligned(aligner), settings["face"], "aligned", with_quality, min_quality)
    return lambda result: _aligned(result, cutter, Path(f"crop.{settings['format']}"))


def count_outcomes(command: str, rows: list[Row]) -> Counter[str]:
    """What the command reports of its pictures."""
    if command == "align":
        return Counter(row["status"] for row in rows)
    unreadable = sum("problem" in row for row in rows)
    return Counter(pictures=len(rows), faces=sum(len(row.get("faces", ())) for row in rows), unreadable=unreadable)


def _has_quality(settings: dict[str, Any]) -> bool:
    return bool(settings.get("quality") or settings.get("min_quality"))


def _detected(result: Detected[Stored], central: bool) -> Row:
    return picture_as_json(result.found.file, most_central(result) if central else result)


def _aligned(result: Detected[Stored], cutter: Cutter, kind: Path) -> Row:
    row, crops = cutter(result.found.file, result)
    files = [encode_picture(kind, crop) for crop in crops]
    if not files:
        return row
    return row | ({"images": files} if cutter.face == ALL_FACES else {"image": files[0]})
