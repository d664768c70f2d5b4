"""Files of face vectors: .npz, .parquet. They appear once they are whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mtcnn.files import replacing

if TYPE_CHECKING:
    from mtcnn.recognition.verify import EmbeddedFace
from mtcnn.errors import MtcnnError

__all__ = ["Vectors", "open_vectors"]

_ROWS = 4096  # of a Parquet row group


class Vectors(Protocol):
    def add(self, file: str, face: EmbeddedFace) -> None: ...


@contextlib.contextmanager
def open_vectors(path: Path) -> Iterator[Vectors]:
    """A file to add vectors to.

    Raises:
        MtcnnError: another ending, or pyarrow is missing.
    """
    if path.suffix not in (".npz", ".parquet"):
        raise ValueError(f"output must end in .npz or .parquet, got {path}")
    if not path.parent.is_dir():
        raise MtcnnError(f"there is no folder {path.parent}")
    with replacing(path) as file:
        writer = _Npz() if path.suffix == ".npz" else _Parquet(file)
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        writer.finish(file)


class _Npz:
    def __init__(self) -> None:
        self._files: list[str] = []
        self._rows: list[Any] = []
        self._dets: list[Any] = []

    def add(self, file: str, face: EmbeddedFace) -> None:
        self._files.append(file)
        self._rows.append(face.embedding)
        self._dets.append(face.det)

    def abandon(self) -> None:
        pass

    def finish(self, file: Any) -> None:
        dets = np.array(self._dets, np.float32).reshape(-1, 5)
        rows = np.array(self._rows, np.float32).reshape(len(self._rows), -1) if self._rows else np.empty((0, 0), "f4")
        np.savez(file, files=np.array(self._files, str), embeddings=rows, boxes=dets[:, :4], scores=dets[:, 4])


class _Parquet:
    def __init__(self, file: Any) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MtcnnError("writing Parquet needs pyarrow: pip install pyarrow") from None
        numbers = pa.list_(pa.float32())
        self._pa = pa
        schema = pa.schema(
            {"file": pa.string(), "embedding": numbers, "box": pa.list_(pa.float32(), 4), "score": pa.float32()}
        )
        self._writer = pq.ParquetWriter(file, schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, file: str, face: EmbeddedFace) -> None:
        name = file.encode("utf-8", "backslashreplace").decode()  # Parquet's strings are UTF-8
        self._rows.append({"file": name, "embedding": face.embedding, "box": face.det[:4], "score": float(face.det[4])})
        if len(self._rows) == _ROWS:
            self._write()

    def abandon(self) -> None:
        self._writer.close()  # while its file is open

    def finish(self, file: Any) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        self._writer.write_table(self._pa.Table.from_pylist(self._rows, self._writer.schema))
        self._rows = []
