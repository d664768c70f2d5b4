"""Files of face vectors: .npz, .parquet. They appear once they are whole; until then, a journal grows beside them."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from mtcnn.errors import MtcnnError
from mtcnn.files import Inputs, check_output, output_error, remove_leftovers, replacing
from mtcnn.pipeline.journal import Journal, check_settings
from mtcnn.pipeline.line_file import partial_path
from mtcnn.runtime.install import install_command
from mtcnn.runtime.text import as_utf8, from_utf8

if TYPE_CHECKING:
    from mtcnn.recognition.verify import EmbeddedFace

__all__ = ["Vectors"]

_ROWS = 4096  # of a Parquet row group

Line = dict[str, Any]


class Vectors:
    """A file of vectors that is being made. What is known of each picture goes to FILE.partial at once; `finish` makes
    the file of it.

    Args:
        path: of the file; its folder is made where it is missing.
        inputs: what is read.
        settings: what vectors depend on.
        resume: go on with FILE.partial, else with what the file has.
        overwrite: begin anew; the file that is there stays until the new one is whole.

    Attributes:
        done: the pictures that earlier runs did.
        statuses: how many of them have which status.
        count: vectors, with those of this run.

    Raises:
        ValueError: another ending.
        OutputError: something is there, and neither `resume` nor `overwrite` is set; or it cannot be written.
        MtcnnError: pyarrow is missing; what is there is no such file, or was made with other settings.
    """

    def __init__(
        self, path: Path, inputs: Inputs, settings: dict[str, Any], *, resume: bool = False, overwrite: bool = False
    ) -> None:
        ending = path.suffix.lower()
        if ending not in _FORMATS:
            raise ValueError(f"output must end in .npz or .parquet, got {path}")
        self._path, self._format = path, _FORMATS[ending]()
        self._header = {"settings": settings}
        self.done: set[str] = set()
        self.statuses: Counter[str] = Counter()
        self.count = 0
        partial = partial_path(path)
        for one in (path, partial):
            check_output(one, inputs, overwrite=resume or overwrite, resumable=True)
        self._journal = Journal(partial, "journal of mtcnn embed")
        remove_leftovers(path.parent, path.name)
        try:
            before = self._read()
            if before is not None and not overwrite:
                check_settings(str(partial), before["settings"], settings)
            if overwrite or before is None or before.get("taken", 0) > len(self.done):
                self.done, self.statuses, self.count = set(), Counter(), 0
                if resume and path.exists():
                    self._take_up()
                else:
                    self._journal.begin(self._header)
        except BaseException:
            self._journal.close()
            raise

    def is_done(self, file: str) -> bool:
        return file in self.done

    def add(self, file: str, status: str, faces: Sequence[EmbeddedFace] = ()) -> None:
        """Note what is known of a picture: "embedded" with its faces, "no face" or "unreadable"."""
        line: Line = {"file": file, "status": status}
        rows = [_as_line(face.embedding, face.det) for face in faces]
        if rows:
            line |= {"faces": rows} if len(rows) > 1 else rows[0]
        self._journal.add(line)
        self.count += len(rows)

    def finish(self) -> None:
        """Make the file.

        Raises:
            OutputError: it cannot be written; `resume` tries again.
        """
        lines = self._journal.lines()
        settings = next(lines)["settings"]
        try:
            with replacing(self._path) as file:
                self._format.write(file, (row for line in lines for row in _rows(line)), settings)
        except OSError as error:
            raise output_error(self._path, error) from error
        self._journal.discard()

    def __enter__(self) -> Vectors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    def _read(self) -> Line | None:
        """The first line; the others are noted."""
        lines = self._journal.lines()
        header = next(lines, None)
        for line in lines:
            self.done.add(line["file"])
            self.statuses[line["status"]] += 1
            self.count += sum(1 for _ in _rows(line))
        return header

    def _take_up(self) -> None:
        """Begin with the vectors of a file that was finished: new pictures may have come.

        The first line says how many these are: a run that is killed here is not taken for one that had them all.
        """
        try:
            settings, lines = self._format.read(self._path)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            raise MtcnnError(f"{self._path} holds no vectors of mtcnn embed: choose another file") from None
        check_settings(str(self._path), settings, self._header["settings"])
        lines = _by_picture(lines)
        self._journal.begin(self._header | {"taken": len(lines)})
        for line in lines:
            self._journal.add(line)
            self.done.add(line["file"])
            self.statuses["embedded"] += 1
            self.count += sum(1 for _ in _rows(line))


class _Npz:
    def write(self, file: Any, lines: Iterator[Line], settings: Line) -> None:
        files, rows, dets = [], [], []
        for line in lines:
            files.append(line["file"])
            rows.append(_numbers(line["embedding"]))
            dets.append(_numbers(line["det"]))
        faces = np.array(dets, np.float32).reshape(-1, 5)
        np.savez(
            file,
            files=np.array(files, str),
            embeddings=np.array(rows, np.float32).reshape(len(rows), -1) if rows else np.empty((0, 0), "f4"),
            boxes=faces[:, :4],
            scores=faces[:, 4],
            settings=np.array(json.dumps(settings)),
        )

    def read(self, path: Path) -> tuple[Line, list[Line]]:
        with np.load(path) as data:
            settings = json.loads(str(data["settings"]))
            dets = np.column_stack([data["boxes"], data["scores"]])
            rows = zip(data["files"].tolist(), data["embeddings"], dets, strict=True)
            return settings, [{"file": file, "status": "embedded"} | _as_line(row, det) for file, row, det in rows]


class _Parquet:
    def __init__(self) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MtcnnError(f"writing Parquet needs pyarrow: {install_command('parquet')}") from None
        numbers = pa.list_(pa.float32())
        self._pa, self._pq = pa, pq
        self._schema = pa.schema(
            {"file": pa.string(), "embedding": numbers, "box": pa.list_(pa.float32(), 4), "score": pa.float32()}
        )

    def write(self, file: Any, lines: Iterator[Line], settings: Line) -> None:
        schema = self._schema.with_metadata({"mtcnn": json.dumps(settings)})
        with self._pq.ParquetWriter(file, schema) as writer:
            for group in iter(lambda: [self._row(line) for line in islice(lines, _ROWS)], []):
                writer.write_table(self._pa.Table.from_pylist(group, schema))

    def read(self, path: Path) -> tuple[Line, list[Line]]:
        table = self._pq.read_table(path)
        settings = json.loads((table.schema.metadata or {})[b"mtcnn"])
        return settings, [
            {"file": from_utf8(row["file"]), "status": "embedded"}
            | _as_line(np.array(row["embedding"], np.float32), np.array([*row["box"], row["score"]], np.float32))
            for row in table.to_pylist()
        ]

    def _row(self, line: Line) -> Line:
        det = _numbers(line["det"])
        return {
            "file": as_utf8(line["file"]),  # as Parquet's strings are
            "embedding": _numbers(line["embedding"]),
            "box": det[:4],
            "score": float(det[4]),
        }


_FORMATS: dict[str, type[_Npz] | type[_Parquet]] = {".npz": _Npz, ".parquet": _Parquet}


def _rows(line: Line) -> Iterator[Line]:
    """The vectors of a picture's line, each with the picture's name."""
    if line["status"] == "embedded":
        yield from ({"file": line["file"], **face} for face in line.get("faces", [line]))


def _by_picture(rows: list[Line]) -> list[Line]:
    """A line for each picture, whose vectors come one after the other."""
    lines = []
    for file, group in groupby(rows, key=lambda row: row["file"]):
        faces = [{name: row[name] for name in ("embedding", "det")} for row in group]
        lines.append({"file": file, "status": "embedded", **({"faces": faces} if len(faces) > 1 else faces[0])})
    return lines


def _as_line(embedding: Any, det: Any) -> Line:
    return {
        name: base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()
        for name, values in (("embedding", embedding), ("det", det))
    }


def _numbers(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), "<f4")
