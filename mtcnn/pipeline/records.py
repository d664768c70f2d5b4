"""What `mtcnn detect` writes of each picture: a table, JSON Lines or CSV; and what it wrote before."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from mtcnn.engines.networks import LANDMARK_NAMES
from mtcnn.pipeline.pictures import Array, Detected, SourceT
from mtcnn.pipeline.read import Found
from mtcnn.runtime.text import as_json, fit, printable

__all__ = ["FORMATS", "csv_path", "faces_as_json", "names_done", "picture_as_json", "picture_as_text", "table_header"]

FORMATS = ("table", "jsonl", "csv")
BOX = ("x1", "y1", "x2", "y2", "score")
COLUMNS = (
    "file",
    "width",
    "height",
    "face",
    *BOX,
    *(f"{p}_{axis}" for p in LANDMARK_NAMES for axis in "xy"),
    "problem",
)

_FILE_WIDTH = 40
_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # begins a formula


def table_header(layout: str) -> str:
    if layout == "csv":
        return _csv_line(COLUMNS)
    if layout == "table":
        return f"{'file':{_FILE_WIDTH}} {'face':>4} {'score':>6} " + " ".join(f"{n:>7}" for n in BOX[:4]) + "\n"
    return ""


def picture_as_text(layout: str, found: Detected[Found], to_terminal: bool = False) -> str:
    """Its lines, each with its end.

    to_terminal: somebody reads it: CSV, too, has names without controls then.
    """
    if layout == "jsonl":
        return as_json(picture_as_json(str(found.found.path), found)) + "\n"
    return _as_csv(found, to_terminal) if layout == "csv" else _as_table(found)


def picture_as_json(file: str, found: Detected[SourceT]) -> dict[str, Any]:
    if found.img is None:
        return {"file": file, "problem": found.problem}
    height, width = found.img.shape[:2]
    return {"file": file, "width": width, "height": height, "faces": faces_as_json(found.dets, found.landmarks)}


def faces_as_json(dets: Array, landmarks: Array) -> list[dict[str, Any]]:
    return [
        {
            "box": [round(float(n), 2) for n in det[:4]],
            "score": round(float(det[4]), 5),
            "landmarks": {
                name: [round(float(points[i]), 2), round(float(points[i + 5]), 2)]
                for i, name in enumerate(LANDMARK_NAMES)
            },
        }
        for det, points in zip(dets, landmarks, strict=True)
    ]


def csv_path(path: Path) -> str:
    """The path as a CSV cell, which no spreadsheet takes for a formula: "./=a.jpg" names the same file as "=a.jpg"."""
    name = str(path)
    return f"./{name}" if name.startswith(_FORMULA) else name


def names_done(path: Path, layout: str) -> tuple[set[str], int]:
    """The pictures in a file of results, and its length in bytes up to the end of the last whole one.

    Raises:
        ValueError: it is no such file.
    """
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    text = text[: text.rfind("\n") + 1]
    try:
        names, whole = _csv_names(text) if layout == "csv" else _json_names(text)
    except (ValueError, KeyError, TypeError, csv.Error):
        raise ValueError(f"{path} holds no results of mtcnn detect as {layout}: choose another file") from None
    return names, len(whole.encode("utf-8", "surrogateescape"))


def _as_csv(found: Detected[Found], to_terminal: bool) -> str:
    name = csv_path(found.found.path)
    if to_terminal:
        name = printable(name)
    if found.img is None:
        return _csv_line([name, *[""] * (len(COLUMNS) - 2), found.problem])
    height, width = found.img.shape[:2]
    faces = faces_as_json(found.dets, found.landmarks)
    if not faces:
        return _csv_line([name, width, height, *[""] * (len(COLUMNS) - 3)])
    return "".join(
        _csv_line(
            [name, width, height, i, *face["box"], face["score"]]
            + [n for p in LANDMARK_NAMES for n in face["landmarks"][p]]
            + [""]
        )
        for i, face in enumerate(faces)
    )


def _as_table(found: Detected[Found]) -> str:
    name = fit(str(found.found.path), _FILE_WIDTH)
    if found.problem is not None:
        return f"{name}    - {printable(found.problem)}\n"
    if len(found.dets) == 0:
        return f"{name}    - no face\n"
    return "".join(
        f"{name} {i:4} {det[4]:6.3f} " + " ".join(f"{n:7.1f}" for n in det[:4]) + "\n"
        for i, det in enumerate(found.dets)
    )


def _csv_line(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def _json_names(text: str) -> tuple[set[str], str]:
    return {json.loads(line)["file"] for line in text.splitlines()}, text


def _csv_names(text: str) -> tuple[set[str], str]:
    """The faces of the last picture may not all be there: it is not counted."""
    lines = [f"{line}\n" for line in text.split("\n")[:-1]]
    if not lines:
        return set(), ""
    reader = csv.reader(lines)
    rows, ends = [], []
    for row in reader:  # of several lines, where a name has line breaks
        rows.append(row)
        ends.append(reader.line_num)
    if len(rows) > 1 and len(rows[-1]) != len(COLUMNS):
        del rows[-1]
    if tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError("other columns")
    names = [str(Path(row[0])) for row in rows[1:]]  # without the "./" of csv_path
    last = next((i for i, name in enumerate(names) if name == names[-1]), 0)
    return set(names[:last]), "".join(lines[: ends[last]])
