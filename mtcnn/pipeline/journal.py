"""Files of what was done in a run, a line of JSON for each picture; the first line has the run's settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from mtcnn.errors import MtcnnError
from mtcnn.pipeline.line_file import LineFile

__all__ = ["Journal", "check_settings"]

Line = dict[str, Any]


class Journal:
    """A file of JSON lines, open for more, by one process at a time.

    Args:
        path: of the file; made where it is missing.
        what: it is, for messages.

    Raises:
        OutputError: it cannot be written, or another process writes it.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._what = what
        self._file = LineFile(path)
        self._count = 0  # lines, but for the settings
        self._is_ours = False  # as far as is known

    def lines(self) -> Iterator[Line]:
        """What is there, the settings first. At the end, what a killed process left of a line is cut off.

        Raises:
            MtcnnError: it is no such file.
        """
        length = 0
        with self._ours():
            for line in self._file.lines():
                fields = json.loads(line)
                if not isinstance(fields["file" if length else "settings"], str if length else dict):
                    raise TypeError
                self._count += length > 0
                length += len(line)
                yield fields
            if not length and self._file.length:  # not one whole line
                ours = b'{"settings": {'
                with self.path.open("rb") as file:
                    if not ours.startswith(file.read(len(ours))):
                        raise ValueError
        self._file.keep(length)
        self._is_ours = True

    def begin(self, header: Line) -> None:
        """Empty it, and write the first line."""
        self._file.keep(0)
        self._write(header)
        self._count, self._is_ours = 0, True

    def add(self, line: Line) -> None:
        """A line for a picture.

        Raises:
            NoMoreOutputError: it cannot be written.
        """
        self._write(line)
        self._count += 1

    def close(self) -> None:
        if self._is_ours and not self._count:  # nothing was done: the next run begins as this one did
            self._file.discard()
        self._file.close()

    def move(self, path: Path) -> None:
        """Put it in the place of another file."""
        self._file.move(path)
        self.path = path

    def discard(self) -> None:
        """Remove it."""
        self._file.discard()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, line: Line) -> None:
        self._file.add(json.dumps(line) + "\n")

    @contextmanager
    def _ours(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, RecursionError):
            raise MtcnnError(f"{self.path} is no {self._what}: choose another place") from None


def check_settings(where: str, before: dict[str, Any], settings: dict[str, Any]) -> None:
    """Refuse to go on with other settings than those that results were made with."""
    if before != settings:
        names = [name for name in {**settings, **before} if before.get(name) != settings.get(name)]
        changed = ", ".join(f"--{name.replace('_', '-')} was {_shown(name, before.get(name))}" for name in names)
        raise MtcnnError(
            f"{where} was made with other settings: {changed}; say the same again, or --overwrite, which begins anew"
        )


def _shown(name: str, value: Any) -> str:
    """As it stands on a command line."""
    if value is None or value is False:
        return "not given"
    if value is True:
        return "given"
    if isinstance(value, list):
        return ("x" if name.endswith("size") else ",").join(map(str, value))
    return str(value)
