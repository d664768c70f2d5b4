"""Pictures found by their names: files, folders with all that is below them, globs, lists of names."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from mtcnn.errors import MtcnnError
from mtcnn.pipeline.formats import Skipped, readable_suffixes
from mtcnn.pipeline.made_of import NAMES as RECORD
from mtcnn.pipeline.made_of import MadeOf, is_below
from mtcnn.pipeline.read import Found

__all__ = ["NAMES", "find_pictures", "read_names"]

NAMES = "-"  # the argument that stands for a list of names, which are read from standard input

_LONGEST = 1 << 16  # bytes of a name, and more


def find_pictures(
    arguments: Iterable[str | os.PathLike[str]],
    skipped: Skipped | None = None,
    endings: frozenset[str] | None = None,
    own: Callable[[Path], bool] | None = None,
) -> Iterator[Found]:
    """Files as they are named; folders' pictures with all that is below them, in order; globs, ** included.

    A picture that several arguments lead to comes once, for the first. Links to folders are followed; a folder that
    was met before, as in a circle of links, is not entered again. What a command made of a picture that is found in the
    same folder, or by the same glob, is no picture to be found: its crop, say.

    Args:
        arguments: text may be a glob, paths are none.
        skipped: counts the files of folders that are not read, and is told of folders and globs, among several
            arguments, that hold no pictures.
        endings: of what is taken of folders; None: of pictures that can be read here.
        own: whether a file is one that this run writes, which is left out without being counted.

    Raises:
        MtcnnError: OpenCV is not installed.
    """
    arguments = list(arguments)
    finder = _Finder(Skipped() if skipped is None else skipped, is_one=len(arguments) == 1, endings=endings, own=own)
    for argument in arguments:
        yield from finder.find(argument)


def read_names(arguments: Iterable[str], stream: BinaryIO | None) -> list[str | Path]:
    """The arguments, in the place of "-" the names in `stream`, of files and folders: one a line, or ended by NULs.

    Raises:
        MtcnnError: it holds no names, or is closed: None.
    """
    named: list[str | Path] = []
    for argument in arguments:
        if argument == NAMES and stream is None:
            raise MtcnnError("standard input is closed; - reads names of pictures from there, one a line")
        named += map(Path, _names_in(stream)) if argument == NAMES and stream else [argument]
    return named


class _Finder:
    def __init__(
        self,
        skipped: Skipped,
        *,
        is_one: bool,
        endings: frozenset[str] | None,
        own: Callable[[Path], bool] | None,
    ) -> None:
        self._skipped, self._is_one, self._endings = skipped, is_one, endings
        self._is_own = own or (lambda path: False)
        self._entered: set[tuple[int, int]] = set()  # folders
        self._earlier: set[str] = set()  # the real paths that earlier arguments led to
        self._left_out = False  # whether something of this argument is known, or made of another

    def find(self, argument: str | os.PathLike[str]) -> Iterator[Found]:
        path = Path(argument)
        # os.path: unlike Path's methods these don't raise where a name is too long, or a folder closed
        if os.path.isdir(path):
            found = self._below(path)
        elif isinstance(argument, str) and not os.path.lexists(path) and glob.has_magic(argument):
            found = self._matching(argument)
        elif self._is_own(path):
            found = iter(())
        else:
            found = iter([Found(path, Path(path.name))])
        if self._is_one:
            yield from found
            return
        now = set()
        is_empty, self._left_out = True, self._is_own(path)
        for picture in found:
            is_empty = False
            real = os.path.realpath(picture.path)
            if real not in self._earlier:
                now.add(real)
                yield picture
        self._earlier |= now
        if is_empty and not self._left_out:
            self._skipped.add_empty(str(argument))

    def _matching(self, pattern: str) -> Iterator[Found]:
        matches = [Path(m) for m in sorted(glob.iglob(pattern, recursive=True)) if os.path.isfile(m)]
        records: dict[Path, MadeOf | None] = {}
        real: set[str] = set()
        for path in matches:
            if self._is_own(path):
                self._left_out = True
                continue
            for folder in path.parents:
                if folder not in records:
                    records[folder] = MadeOf(folder) if os.path.lexists(folder / RECORD) else None
                record = records[folder]
                if record is not None and (source := record.source_of(path)) is not None:
                    real = real or {os.path.realpath(match) for match in matches}
                    if source in real:
                        self._left_out = True
                        self._skipped.add_made(record.folder)
                        break
            else:
                yield Found(path, Path(path.name))

    def _below(self, top: Path) -> Iterator[Found]:
        """The files of a folder, then its folders', each in order."""
        real = os.path.realpath(top)
        folders: list[tuple[Path, tuple[MadeOf, ...]]] = [(top, ())]  # and the records of folders around them
        while folders:
            folder, records = folders.pop()
            identity = _identity(folder)
            if identity in self._entered:
                self._left_out = True
                continue
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda e: e.name)
            except OSError:  # reading it will tell why
                name = folder.relative_to(top) if folder != top else Path(os.path.abspath(top)).name or "root"
                yield Found(folder, Path(name))
                continue
            if identity is not None:
                self._entered.add(identity)
            if folder != top and any(entry.name == RECORD for entry in entries):
                records = (*records, MadeOf(folder))
            within = []
            for entry in entries:
                path = folder / entry.name
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    within.append((path, records))
                elif path.suffix.lower() in (self._endings or readable_suffixes()):
                    if self._is_own(path):
                        self._left_out = True
                        continue
                    if records and (made := _made_of_one_below(real, path, records)):
                        self._left_out = True
                        self._skipped.add_made(made.folder)
                    else:
                        yield Found(path, path.relative_to(top))
                elif os.path.isfile(path) and not self._is_own(path):
                    self._skipped.add(path.suffix)
            folders += reversed(within)


def _made_of_one_below(top: str, path: Path, records: Iterable[MadeOf]) -> MadeOf | None:
    """Which record says that a file is made of another below the folder `top`, a real path, where one does."""
    for record in records:
        source = record.source_of(path)
        if source is not None and is_below(source, top) and os.path.exists(source):
            return record
    return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _names_in(stream: BinaryIO) -> Iterator[str]:
    rest, separator = b"", b""
    read = getattr(stream, "read1", stream.read)  # what is there, without waiting for more
    while chunk := read(_LONGEST):
        if not rest and not separator and chunk.startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8")):
            raise MtcnnError("standard input holds a picture; - reads names of pictures from there, one a line")
        rest += chunk
        separator = separator or next((end for end in (b"\0", b"\n") if end in rest), b"")
        if separator:
            *ended, rest = rest.split(separator)
            yield from _as_names(ended, separator)
        if len(rest) > _LONGEST:
            raise MtcnnError("standard input holds no names of pictures, one a line: a line is too long")
    yield from _as_names([rest], separator)


def _as_names(parts: Iterable[bytes], separator: bytes) -> Iterator[str]:
    for part in parts:
        name = part if separator == b"\0" else part.removesuffix(b"\r")  # of a list that was made on Windows
        if name:
            yield _decoded(name)


def _decoded(name: bytes) -> str:
    """A file's name as a program wrote it: on Windows in UTF-8, else as the console's programs do."""
    try:
        return os.fsdecode(name)
    except UnicodeDecodeError:  # on other systems there is none that it takes for wrong
        return name.decode("oem" if sys.platform == "win32" else "latin-1", "replace")
