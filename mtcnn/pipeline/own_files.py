"""The files that a run writes, which may lie among those that it reads and are none of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from mtcnn.pipeline.line_file import partial_path
from mtcnn.pipeline.made_with import MadeWith
from mtcnn.runtime import handles

__all__ = ["OwnFiles"]

# Of results, as no picture is named: what would replace a picture is refused elsewhere, and never left out.
_ENDINGS = frozenset({".csv", ".json", ".jsonl", ".log", ".npz", ".parquet", ".partial", ".txt"})
_STREAMS = (1, 2)  # standard output and error, which the shell may have led to a file


class OwnFiles:
    """Whether a file is one that this run writes: results, their part that grows, what says how they were made, and
    what its standard streams lead to.

    Args:
        results: the files that it makes; None: not there.
        holds: asked, too, as those of folders are.
    """

    def __init__(self, *results: Path | None, holds: Callable[[Path], bool] | None = None) -> None:
        self._paths: set[str] = set()
        self._files: set[tuple[int, int]] = set()  # those that are there, which may have other names
        self._holds = [] if holds is None else [holds]
        for path in results:
            if path is not None:
                for one in (path, partial_path(path)):
                    self._add(os.path.realpath(one))
                    self._add(str(MadeWith(one).path))
        for number in _STREAMS:
            if found := handles.path_of(number):
                self._add(found)

    def _add(self, path: str) -> None:
        if _is_named_so(path):
            self._paths.add(path)
            with contextlib.suppress(OSError):
                self._files.add(_identity(path))

    def also(self, holds: Callable[[Path], bool]) -> None:
        self._holds.append(holds)

    def __call__(self, path: Path) -> bool:
        """From any thread."""
        if self._paths and _is_named_so(path) and self._is_own(path):
            return True
        return any(holds(path) for holds in self._holds)

    def _is_own(self, path: Path) -> bool:
        """By any of its names: through links, too."""
        if os.path.realpath(path) in self._paths:
            return True
        try:
            return _identity(path) in self._files
        except OSError:
            return False


def _is_named_so(path: str | Path) -> bool:
    return os.path.splitext(path)[1].lower() in _ENDINGS


def _identity(path: str | Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
