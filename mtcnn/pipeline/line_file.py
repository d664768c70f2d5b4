"""Files of lines that grow while a run goes on, and that a later run can continue."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from mtcnn.files import (
    NoMoreOutputError,
    OutputError,
    is_special,
    lock,
    make_folder,
    output_error,
    remove_empty,
)
from mtcnn.runtime import handles

__all__ = ["LineFile", "partial_path"]


class LineFile:
    """A file that whole lines are added to, by one process at a time.

    Its folder is made where it is missing. A line that a killed process left half is cut off once `keep` says how
    much is to stay.

    Args:
        path: of the file.
        of: what it is the record of, for messages; default itself.

    Raises:
        OutputError: it cannot be written, or another process writes it.
    """

    def __init__(self, path: Path, of: Path | None = None) -> None:
        self.path = path
        self._of = of or path
        self._special = is_special(path)
        self._made: list[Path] = []  # folders
        try:
            self._made = make_folder(path.parent)
            self._handle = self._open()
            self._length = 0 if self._special else os.fstat(self._handle).st_size
        except OSError as error:
            remove_empty(self._made)
            raise output_error(self._of, error) from error

    @property
    def length(self) -> int:
        """Bytes."""
        return self._length

    def lines(self) -> Iterator[bytes]:
        """The whole lines that are there, each with its end."""
        if self._special:
            return
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line

    def keep(self, length: int) -> None:
        """Cut off what is beyond so many bytes."""
        if self._special:
            return
        os.ftruncate(self._handle, length)
        self._length = length

    def cut(self, begin: int, end: int) -> None:
        """Take the lines between two places out. What a killed process leaves of those behind them begins anew."""
        if self._special:
            return
        with self.path.open("rb") as file:
            file.seek(end)
            rest = file.read()
        self.keep(begin)
        self.add(rest.decode("utf-8", "surrogateescape"))

    def add(self, lines: str) -> None:
        """Add lines, with their ends: all of them, or none.

        Raises:
            NoMoreOutputError: they cannot be written.
        """
        data = lines.encode("utf-8", "surrogateescape")
        rest = memoryview(data)
        try:
            self._check_there()
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self._special:
                os.ftruncate(self._handle, self._length)
            raise NoMoreOutputError(str(output_error(self.path, error))) from error
        self._length += len(data)

    def close(self) -> None:
        os.close(self._handle)

    def discard(self) -> None:
        """Remove the file, which is not worth keeping, and the folders that were made for it and are empty."""
        if not self._special and self._is_at_path(self._handle):
            self.path.unlink()
            remove_empty(self._made)

    def __enter__(self) -> LineFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def move(self, path: Path) -> None:
        """Put the file in the place of another."""
        try:
            os.fsync(self._handle)
            handles.replace(self.path, os.path.realpath(path))
        except OSError as error:
            raise output_error(path, error) from error
        self.path = path

    def _open(self) -> int:
        if self._special:
            return os.open(self.path, os.O_WRONLY | getattr(os, "O_BINARY", 0))  # Windows would change ends of lines
        while True:
            handle = handles.open_handle(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                lock(handle, self._of)
            except OutputError:
                os.close(handle)
                raise
            if self._is_at_path(handle):  # else another process has put a new file there
                return handle
            os.close(handle)

    def _is_at_path(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(handle))
        except FileNotFoundError:
            return False

    def _check_there(self) -> None:
        if not self._special and not self._is_at_path(self._handle):
            raise NoMoreOutputError(f"{self.path} was removed or replaced while it was being written")


def partial_path(path: Path) -> Path:
    """Where results go that are to replace `path` once they are whole: beside the file that a link leads to, since a
    file cannot take the place of one on another disk."""
    if path.is_symlink() or path.name in ("", ".."):
        path = Path(os.path.realpath(path))
    return path.parent / f"{path.name}.partial"
