"""The file of results of `mtcnn detect`, or standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from mtcnn.files import Inputs, check_output, is_special, there_already
from mtcnn.pipeline.line_file import LineFile, partial_path
from mtcnn.pipeline.made_with import MadeWith
from mtcnn.pipeline.records import Done, picture_of, read_done, table_header

__all__ = ["Results"]


class Results:
    """Where results go as they are found.

    A new file grows in its place. One that replaces another grows as FILE.partial and takes its place when all is done;
    until then, `resume` goes on with that.

    Args:
        path: of the file, its folder made where it is missing; None: standard output.
        layout: "table", "jsonl" or "csv".
        inputs: what is read.
        settings: what results depend on, by the options' names.
        resume: go on where the file ends.
        overwrite: begin anew.
        silent: write nothing to standard output.

    Attributes:
        done: the pictures that are in the file already.

    Raises:
        OutputError: the file is there and neither `resume` nor `overwrite` is set; or it cannot be written.
        ValueError: the file that is to be continued holds something else.
        MtcnnError: it was made with other settings.
    """

    def __init__(
        self,
        path: Path | None,
        layout: str,
        inputs: Inputs,
        settings: dict[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
        silent: bool = False,
    ) -> None:
        self._path, self._silent = path, silent
        self._file: LineFile | None = None
        self._replaced: LineFile | None = None
        self._made_with: MadeWith | None = None
        self._is_new = False
        self._count = 0  # pictures
        self.done = Done()
        if path is None:
            self.add(table_header(layout))
            return
        partial = partial_path(path)
        for one in (path, partial):
            if not resume:
                check_output(one, inputs, overwrite=overwrite, resumable=layout != "table")
        target = path
        if overwrite and partial.exists():
            read_done(partial, layout)  # else it is not ours
        if not is_special(path) and (partial.exists() or (overwrite and path.exists())):
            target = partial
        if target != path and path.exists():
            self._replaced = LineFile(path)  # so that no other run writes it meanwhile
        self._is_new = not target.exists()
        try:
            self._file = LineFile(target)
            if self._file.length and not (resume or overwrite):  # of a run that ended just now
                raise there_already(target, resumable=layout != "table")
            if resume:
                self.done = read_done(target, layout)
            if layout != "table" and not is_special(target):
                self._made_with = MadeWith(target)
                if resume and self._file.length:
                    self._made_with.check(settings)
                else:
                    self._made_with.note(settings)
            self._file.keep(max(self.done.length, self.done.end))
            if not self._file.length:
                self._file.add(table_header(layout))
        except BaseException:
            self._close()
            raise

    def is_done(self, path: Path) -> bool:
        """Whether a picture is in the file already."""
        return str(path) in self.done.names

    def add(self, lines: str) -> None:
        """The lines of a picture.

        Raises:
            NoMoreOutputError: they cannot be written.
        """
        self._count += 1
        if self._file:
            if self.done.last is not None and picture_of(lines) == self.done.last:
                self._file.cut(self.done.length, self.done.end)
                self.done.last = None
            self._file.add(lines)
        elif not self._silent:
            sys.stdout.write(lines)
            sys.stdout.flush()

    def finish(self) -> None:
        """All is done: the file takes its place. Where nothing was done, what is there stays."""
        if self.done.last is not None:  # this run did not come across it
            self.done.names.add(self.done.last)
            self.done.unreadable += self.done.last_unreadable
        if self._file and self._path and self._file.path != self._path and (self._count or self.done.names):
            if self._made_with:
                self._made_with.move(self._path)
            if self._replaced and sys.platform == "win32":  # which may not replace a file that is open
                self._replaced.close()
                self._replaced = None
            self._file.move(self._path)

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file and self._is_new and not (self._count or self.done.names):
            self._file.discard()
            if self._made_with:
                self._made_with.discard()
        self._close()

    def _close(self) -> None:
        for file in (self._file, self._replaced):
            if file:
                file.close()
