"""Folders of written pictures: each name belongs to one source for good, and nothing else there is touched."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import Any

from mtcnn.errors import MtcnnError
from mtcnn.files import (
    Inputs,
    NoMoreOutputError,
    OutputError,
    check_output,
    output_error,
    remove_leftovers,
    replacing,
)
from mtcnn.pipeline.journal import check_settings
from mtcnn.pipeline.line_file import LineFile
from mtcnn.pipeline.made_of import NAMES, is_below

__all__ = ["OutputFolder"]

_SETTINGS = ".mtcnn-made-with.json"
# Of files: a new folder so named was meant to be one.
_ENDINGS = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic")
    + (".mp4", ".mkv", ".mov", ".m4v", ".webm", ".avi", ".csv", ".json", ".jsonl", ".zip")
)


class OutputFolder:
    """A folder that one run at a time writes pictures to.

    Args:
        folder: made where it is missing.
        inputs: what the run reads, which is never replaced.
        overwrite: replace what is there, whoever wrote it. Else only what is known to be made of the same source is.

    Raises:
        OutputError: it cannot be written, or another process writes to it.
    """

    def __init__(self, folder: Path, inputs: Inputs, *, overwrite: bool = False) -> None:
        _check_name(folder)
        self.folder = folder
        self._inputs, self._overwrite = inputs, overwrite
        self._record = LineFile(folder / NAMES, folder)  # written before the files are
        try:
            self._naming = threading.Lock()
            self._names: dict[str, str] = {}  # by source
            self._owners: dict[str, str] = {}  # by name
            self._taken: set[str] = set()  # names as the system compares them
            self._flaws: dict[str, str] = {}  # by name
            self._refused: dict[str, str] = {}  # why a name must not be written
            self._replaced: set[str] = set()  # names of what is there and may go
            self._failed: set[str] = set()  # names that could not be written
            self._new_settings = False
            self._root = os.path.realpath(folder)
            self._there = os.stat(folder)
            self.know(self._read())
            for where in {Path(name).parent for name in self._owners}:
                remove_leftovers(folder / where)
            self._last = "", ""  # a folder, and what it really is: pictures come folder by folder
        except BaseException:
            self._record.close()
            raise

    def know(self, files: Iterable[tuple[str, str]]) -> None:
        """Of files there, the source and the name: they are ours."""
        for source, name in files:
            if not os.path.isabs(name) and ".." not in Path(name).parts:
                self._take(name, source)

    def _take(self, name: str, source: str) -> None:
        self._names[source], self._owners[name] = name, source
        self._taken.add(os.path.normcase(name))

    def name_for(self, source: str, wanted: Path, *others: Path) -> str:
        """The name of the file that is made of a source, below the folder: the one it had before, else `wanted`, or the
        first of the others that no other source has, or one with a number. From any thread.
        """
        with self._naming:
            return self._name_for(source, wanted, others)

    def _name_for(self, source: str, wanted: Path, others: Iterable[Path]) -> str:
        if (name := self._names.get(source)) is not None and Path(name).suffix == wanted.suffix:
            if name not in self._refused and (path := self.folder / name).exists():
                self._check(name, path, ours=True)
            return name
        choices = map(str, chain((wanted, *others), _numbered(wanted)))
        name = next(choice for choice in choices if os.path.normcase(choice) not in self._taken)
        if os.path.lexists(self.folder / name):
            self._check(name, self.folder / name, ours=False)
        self._take(name, source)
        if name not in self._refused:
            self._record.add(json.dumps([name, source]) + "\n")
        return name

    def name_of(self, source: str) -> str:
        """What `name_for` gave it. From any thread."""
        return self._names[source]

    def note(self, name: str, flaw: str | None) -> None:
        """Note what is wrong with the source of a file, or that nothing is, for later runs. From any thread."""
        with self._naming:
            if self._flaws.get(name) == flaw:
                return
            self._flaws.pop(name, None)
            if flaw is not None:
                self._flaws[name] = flaw
            self._record.add(json.dumps([name, self._owners[name], flaw]) + "\n")

    def flaw_of(self, source: str) -> str | None:
        """What was noted of it."""
        return self._flaws.get(self._names[source])

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole. From any thread.

        Raises:
            OutputError: this one cannot be written, or must not be.
            NoMoreOutputError: neither can others: the disk is full, or the folder is gone.
        """
        if name in self._refused:
            raise OutputError(self._refused[name])
        path = self.folder / name
        try:
            self._check_there()
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, new=name not in self._replaced, tidy=False) as file:
                file.write(data)
            self._replaced.add(name)
        except OSError as error:
            self._failed.add(name)
            raise output_error(path, error) from error

    def path_for(self, name: str) -> Path:
        """Where a writer that opens files itself may write one, its folder made. From any thread.

        Raises:
            OutputError: it must not be written, or the folder cannot be made.
        """
        if name in self._refused:
            raise OutputError(self._refused[name])
        path = self.folder / name
        try:
            self._check_there()
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(path, error) from error
        return path

    def has(self, source: str) -> bool:
        """Whether the file that is made of a source is there. From any thread."""
        name = self._names.get(source)
        return name is not None and os.path.isfile(self.folder / name)

    def check_settings(self, settings: dict[str, Any], *, begin: bool) -> None:
        """Note what the files are made with, or compare it with what those were that are there.

        Raises:
            MtcnnError: these were made with other settings.
            OutputError: it cannot be written.
        """
        path = self.folder / _SETTINGS
        check_output(path, self._inputs, overwrite=True)  # it may be a link
        try:
            if not begin and path.exists():
                check_settings(str(self.folder), json.loads(path.read_bytes()), settings)
                return
            self._new_settings = not path.exists()
            with replacing(path) as file:
                file.write(json.dumps(settings).encode())
        except ValueError:
            raise MtcnnError(f"{path} is damaged: choose another folder, or --overwrite") from None
        except OSError as error:
            raise output_error(path, error) from error

    def any_there(self) -> str | None:
        """The name of one of the files that earlier runs wrote here, where there is one."""
        return next((name for name in self._owners if os.path.isfile(self.folder / name)), None)

    def holds(self, path: Path) -> bool:
        """Whether a file is one of those that runs wrote here: no picture to be read again. From any thread."""
        parent, name = os.path.split(path)
        last = self._last
        if last[0] != parent:
            self._last = last = parent, os.path.realpath(parent)
        real = last[1]
        if not is_below(real, self._root):
            return False
        name = os.path.relpath(os.path.join(real, name), self._root)
        return name in self._owners and name not in self._refused

    def remove_all_but(self, names: Iterable[str]) -> list[str]:
        """Remove files that earlier runs wrote here, but for those names and those that could not be replaced.

        Only of sources that are named as this run names its own: relative ones. What another command wrote of
        absolute ones stays.

        Returns:
            What is wrong with those that could not be removed.
        """
        problems = []
        for name in sorted(self._owners.keys() - set(names) - self._refused.keys() - self._failed):
            path = self.folder / name
            try:
                if not os.path.isabs(self._owners[name]) and path.exists() and path not in self._inputs:
                    path.unlink()
            except OSError as error:
                problems.append(f"cannot remove {path}: {error.strerror or error}")
        return problems

    def close(self) -> None:
        if not self._record.length:
            if self._new_settings:
                (self.folder / _SETTINGS).unlink(missing_ok=True)
            self._record.discard()
        self._record.close()

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, name: str, path: Path, *, ours: bool) -> None:
        try:
            check_output(path, self._inputs, overwrite=ours or self._overwrite)
        except OutputError as error:
            self._refused[name] = str(error)
        else:
            self._replaced.add(name)

    def _check_there(self) -> None:
        try:
            there = os.stat(self.folder)
        except FileNotFoundError:
            there = None
        if there is None or not os.path.samestat(there, self._there):
            raise NoMoreOutputError(f"the folder {self.folder} was removed or replaced while it was being written")

    def _read(self) -> Iterator[tuple[str, str]]:
        length = 0
        for line in self._record.lines():
            try:
                name, source, *flaw = json.loads(line)
                self._flaws.pop(name, None)
                if flaw and flaw[0] is not None:
                    self._flaws[str(name)] = str(flaw[0])
                yield str(source), str(name)
            except (ValueError, TypeError):
                raise MtcnnError(f"{self._record.path} is damaged: choose another folder") from None
            length += len(line)
        self._record.keep(length)


def _numbered(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in count(2))


def _check_name(folder: Path) -> None:
    if os.path.isfile(folder):
        raise OutputError(f"{folder} is a file, and a folder is needed: choose another name")
    if folder.suffix.lower() in _ENDINGS and not os.path.lexists(folder):
        raise OutputError(f"{folder} would be a folder, and is named as a file: choose another name, or make it first")
