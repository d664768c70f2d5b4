"""What folders that commands wrote say of their files: which picture each is made of."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtcnn.files import is_special, read_regular

__all__ = ["MANIFEST", "NAMES", "MadeOf", "is_below"]

NAMES = ".mtcnn-names.jsonl"
MANIFEST = "manifest.jsonl"  # of crops, whose sources are named as below the folder that it names

_FACE = re.compile(r"#\d{1,6}$")  # after the name of a picture that has crops of several faces


class MadeOf:
    """The files below a folder that commands wrote there; none where the folder says nothing, or cannot be read.

    Args:
        folder: that has a record, NAMES.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._source: str | None = None  # the folder that crops are made of
        try:
            self._sources = dict(_names(folder / NAMES))
            if any(not os.path.isabs(source) for source in self._sources.values()):
                self._source = _source_in(folder)
        except OSError:
            self._sources = {}

    def source_of(self, path: Path) -> str | None:
        """The real path of what a file below the folder is made of; None: of nothing that is known.

        A crop that is the best of several pictures is made of their folder.
        """
        source = self._sources.get(str(path.relative_to(self.folder)))
        if source is None:
            return None
        if not os.path.isabs(source):
            if self._source is None:
                return None
            source = os.path.join(self._source, _FACE.sub("", source))
        try:
            return os.path.realpath(source)
        except ValueError:  # no name of a file
            return None


def is_below(path: str, folder: str) -> bool:
    """Whether a real path is that of a folder, or of something below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _names(record: Path) -> Iterator[tuple[str, str]]:
    for line in read_regular(record).splitlines():
        try:
            name, source, *_ = json.loads(line)
        except (ValueError, TypeError, RecursionError):  # what a killed process left half, or no record
            continue
        yield str(name), str(source)


def _source_in(folder: Path) -> str | None:
    for path in (folder / MANIFEST, folder / f"{MANIFEST}.partial"):
        try:
            if is_special(path):  # a pipe would be waited for
                continue
            with path.open("rb") as file:
                first: Any = json.loads(file.readline(1 << 20))
            return str(first["source"])
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            continue
    return None
