"""What `mtcnn detect` writes of each picture: a table, JSON Lines, CSV; what it wrote before; and the formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mtcnn.engines.networks import LANDMARK_NAMES
from mtcnn.pipeline.formats import readable_suffixes
from mtcnn.pipeline.pictures import Array, Detected, SourceT
from mtcnn.pipeline.read import Found
from mtcnn.quality import FaceQuality, face_quality
from mtcnn.runtime.text import as_json, fit, printable

__all__ = [
    "BOX",
    "COLUMNS",
    "LINES",
    "WHOLE",
    "Done",
    "csv_path",
    "faces_as_json",
    "format_of",
    "picture_as_json",
    "picture_as_text",
    "picture_of",
    "quality_as_json",
    "read_done",
    "table_header",
]

LINES = ("table", "csv", "jsonl")  # that are written as pictures are done
WHOLE = ("json", "coco", "parquet")  # that are files only once they are whole
_ENDINGS = {
    ".csv": ("csv",),
    ".json": ("json", "coco"),
    ".jsonl": ("jsonl",),
    ".ndjson": ("jsonl",),
    ".parquet": ("parquet",),
    ".pq": ("parquet",),
}
_COMPRESSED = (".bz2", ".gz", ".lz4", ".xz", ".zip", ".zst")
_OTHER_TABLES = (".html", ".npz", ".ods", ".tsv", ".xls", ".xlsx", ".xml", ".yaml", ".yml")
_EXAMPLES = {"coco": "faces.json", "yolo": "labels/", "parquet": "faces.parquet"}
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


def format_of(path: Path | None, wanted: str | None) -> str:
    """The format of results: what is wanted, else the first that the file's ending says, else a table.

    Raises:
        ValueError: these contradict each other, or the ending is that of something else.
    """
    by_ending = () if path is None else _ENDINGS.get(path.suffix.lower(), ())
    ending = "" if path is None else path.suffix.lower()
    if ending in _COMPRESSED:
        raise ValueError(f"--output {path} would not be compressed: name it {path and path.with_suffix('')}")
    if path and not wanted and ending in readable_suffixes() and not path.exists():  # else it may be an input
        raise ValueError(f"--output {path} is a picture by its ending; results are text, --draw DIR writes pictures")
    if not wanted and ending in _OTHER_TABLES:
        raise ValueError(f"--output {path} is none of what is written: name it .csv, .json or .jsonl, or add --format")
    if path is None and wanted in ("coco", "yolo", "parquet"):
        raise ValueError(f"format {wanted} is not for a screen: say where it goes, --output {_EXAMPLES[wanted]}")
    if wanted and by_ending and wanted not in by_ending:
        raise ValueError(
            f"--output {path} is {' or '.join(by_ending)} by its ending, and --format {wanted} contradicts that"
        )
    return wanted or (by_ending[0] if by_ending else "table")


def table_header(layout: str) -> str:
    if layout == "csv":
        return _csv_line(COLUMNS)
    if layout == "table":
        return f"{'file':{_FILE_WIDTH}} {'face':>4} {'score':>6} " + " ".join(f"{n:>7}" for n in BOX[:4]) + "\n"
    return ""


def picture_as_text(layout: str, found: Detected[Found], to_terminal: bool = False, with_quality: bool = False) -> str:
    """Its lines, each with its end.

    to_terminal: somebody reads it: CSV, too, has names without controls then.
    with_quality: JSON says how good faces are.
    """
    if layout == "jsonl":
        line = picture_as_json(str(found.found.path), found)
        if with_quality and found.img is not None:
            for face, det, landmarks in zip(line["faces"], found.dets, found.landmarks, strict=True):
                face["quality"] = quality_as_json(face_quality(found.img, det, landmarks))
        return as_json(line) + "\n"
    return _as_csv(found, to_terminal) if layout == "csv" else _as_table(found)


def picture_as_json(file: str, found: Detected[SourceT]) -> dict[str, Any]:
    if found.img is None:
        return {"file": file, "problem": found.problem}
    height, width = found.img.shape[:2]
    line = {"file": file, "width": width, "height": height, "faces": faces_as_json(found.dets, found.landmarks)}
    return line | {found.flaw: True} if found.flaw else line


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


def quality_as_json(quality: FaceQuality) -> dict[str, float]:
    return {name: round(value, 4 if name == "value" else 2) for name, value in asdict(quality).items()}


def csv_path(path: Path) -> str:
    """The path as a CSV cell, which no spreadsheet takes for a formula: "./=a.jpg" names the same file as "=a.jpg"."""
    name = str(path)
    return f"./{name}" if name.startswith(_FORMULA) else name


@dataclass
class Done:
    """What a file of results holds.

    Attributes:
        names: the pictures that are whole.
        unreadable: how many of them could not be read.
        length: bytes up to the end of the last one.
        last: a further one, which ends the file: a killed process may have left some of its rows out.
        end: bytes up to the end of that.
        last_unreadable: whether it could not be read.
    """

    names: set[str] = field(default_factory=set)
    unreadable: int = 0
    length: int = 0
    last: str | None = None
    end: int = 0
    last_unreadable: bool = False


def read_done(path: Path, layout: str) -> Done:
    """The pictures in a file of results; what a killed process left half at its end is not counted. A table
    cannot be continued: it counts as empty.

    Raises:
        ValueError: it is no such file.
    """
    with path.open("rb") as file:
        try:
            if layout == "table":
                _check_start(file.readline(), table_header(layout).encode())
                return Done()
            return _csv_done(file) if layout == "csv" else _json_done(file)
        except (ValueError, KeyError, TypeError, RecursionError, csv.Error):
            raise ValueError(f"{path} holds no results of mtcnn detect as {layout}: choose another file") from None


def _as_csv(found: Detected[Found], to_terminal: bool) -> str:
    name = csv_path(found.found.path)
    if to_terminal:
        name = printable(name)
    if found.img is None:
        return _csv_line([name, *[""] * (len(COLUMNS) - 2), found.problem])
    height, width = found.img.shape[:2]
    faces = faces_as_json(found.dets, found.landmarks)
    problem = found.flaw or ""
    if not faces:
        return _csv_line([name, width, height, *[""] * (len(COLUMNS) - 4), problem])
    return "".join(
        _csv_line(
            [name, width, height, i, *face["box"], face["score"]]
            + [n for p in LANDMARK_NAMES for n in face["landmarks"][p]]
            + [problem]
        )
        for i, face in enumerate(faces)
    )


def _as_table(found: Detected[Found]) -> str:
    name = fit(str(found.found.path), _FILE_WIDTH)
    if found.problem is not None:
        return f"{name}    - {printable(found.problem)}\n"
    end = f" {found.flaw}\n" if found.flaw else "\n"
    if len(found.dets) == 0:
        return f"{name}    - no face{end}"
    return "".join(
        f"{name} {i:4} {det[4]:6.3f} " + " ".join(f"{n:7.1f}" for n in det[:4]) + end
        for i, det in enumerate(found.dets)
    )


def _csv_line(values: Any) -> str:
    """RFC 4180 but for the line's end: csv.writer leaves a carriage return bare before Python 3.13."""
    return ",".join(map(_csv_field, values)) + "\n"


def _csv_field(value: Any) -> str:
    text = "" if value is None else str(value)
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json_done(file: BinaryIO) -> Done:
    done = Done()
    for line in file:
        if not line.endswith(b"\n"):
            if not done.length:
                _check_start(line, b'{"file": "')
            break
        fields = json.loads(line)
        done.names.add(fields["file"])
        done.unreadable += "problem" in fields
        done.length += len(line)
    return done


def _csv_done(file: BinaryIO) -> Done:
    """The faces of the last picture may not all be there: it is not counted."""
    read, is_cut = 0, False

    def lines() -> Iterator[str]:
        nonlocal read, is_cut
        for line in file:
            if line.endswith(b"\n"):
                read += len(line)
                yield line.decode("utf-8", "surrogateescape")
            else:
                is_cut = True
                if not read:
                    _check_start(line, table_header("csv").encode())

    done, last, is_unreadable = Done(), None, False
    rows = csv.reader(lines(), strict=True)
    if (header := next(rows, None)) is None:
        return done
    if tuple(header) != COLUMNS:
        raise ValueError("other columns")
    end = read
    try:
        for row in rows:  # of several lines, where a name has line breaks
            if len(row) != len(COLUMNS):
                raise ValueError("other columns")
            # without the "./" of csv_path
            if (name := str(Path(row[0]))) != last:
                done.length = end
                if last is not None:
                    done.names.add(last)
                    done.unreadable += is_unreadable
                last = name
            is_unreadable = not row[COLUMNS.index("width")]
            end = read
    except csv.Error:
        if file.read(1):  # the end of the file within quotes is an end like any other
            raise
        is_cut = True
    if last is None:
        done.length = end
    elif not is_cut:  # else rows of it are surely missing
        done.last, done.end, done.last_unreadable = last, end, is_unreadable
    return done


def picture_of(lines: str) -> str:
    """The picture that rows of CSV are of."""
    return str(Path(next(csv.reader(io.StringIO(lines, newline="")))[0]))


def _check_start(tail: bytes, start: bytes) -> None:
    """Raise where a file of not even one whole line begins as none of ours."""
    if tail[: len(start)] != start[: len(tail)]:
        raise ValueError("another file")
