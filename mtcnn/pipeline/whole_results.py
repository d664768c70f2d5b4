"""Results of `mtcnn detect` that are not lines: JSON, COCO and Parquet, beside which a journal grows; YOLO's labels."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from mtcnn.errors import MtcnnError
from mtcnn.files import Inputs, OutputError, check_output, is_special, output_error, remove_leftovers, replacing
from mtcnn.pipeline.export_formats import Format, Line, make_format
from mtcnn.pipeline.journal import Journal, check_settings
from mtcnn.pipeline.line_file import partial_path
from mtcnn.pipeline.made_with import MadeWith
from mtcnn.pipeline.output_folder import OutputFolder
from mtcnn.pipeline.read import Found
from mtcnn.pipeline.records import Done

__all__ = ["PrintedJson", "WholeResults", "YoloLabels", "labels_of"]


class WholeResults:
    """A file that `finish` makes of what was added. FILE.partial has it until then.

    Args:
        path: of the file, its folder made where it is missing.
        layout: "json", "coco" or "parquet".
        inputs: what is read.
        settings: what results depend on, by the options' names.
        resume: go on with FILE.partial, else with what the file has.
        overwrite: begin anew; the file that is there stays until the new one is whole.

    Raises:
        OutputError: something is there, and neither `resume` nor `overwrite` is set; or it cannot be written.
        MtcnnError: pyarrow is missing; what is there is no such file, or was made with other settings.
    """

    def __init__(
        self,
        path: Path,
        layout: str,
        inputs: Inputs,
        settings: dict[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._path, self._layout = path, layout
        self._format: Format = make_format(layout)
        self.done = Done()
        self._count = 0
        self._settings, self._made_with = settings, MadeWith(path)
        header: Line = {"settings": {"format": layout, **settings}}
        if is_special(path):
            raise MtcnnError(f"{path} is no file, which --format {layout} needs")
        partial = partial_path(path)
        for one in (path, partial):
            check_output(one, inputs, overwrite=resume or overwrite, resumable=True)
        self._journal = Journal(partial, "journal of mtcnn detect")
        remove_leftovers(path.parent, path.name)
        try:
            before = self._read()
            if before is not None and not overwrite:
                check_settings(str(partial), before["settings"], header["settings"])
            if overwrite or before is None or before.get("taken", 0) > len(self.done.names):
                self.done = Done()
                lines = self._take_up() if resume and path.exists() else []
                if lines:
                    self._made_with.check(settings)
                self._journal.begin(header | {"taken": len(lines)} if lines else header)
                for line in lines:
                    self._journal.add(line)
                    self._note(line)
        except BaseException:
            self._journal.close()
            raise

    def is_done(self, path: Path) -> bool:
        return str(path) in self.done.names

    def add(self, lines: str) -> None:
        """A picture, as a line of JSON."""
        self._journal.add(json.loads(lines))
        self._count += 1

    def finish(self) -> None:
        """Make the file; where nothing was done, what is there stays.

        Raises:
            OutputError: it cannot be written; `resume` tries again.
        """
        if not self._count and not self.done.names:
            return
        lines = self._journal.lines()
        next(lines)
        try:
            self._made_with.note(self._settings)
            with replacing(self._path) as file:
                self._format.write(file, lines)
        except OSError as error:
            raise output_error(self._path, error) from error
        self._journal.discard()

    def __enter__(self) -> WholeResults:
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
            self._note(line)
        return header

    def _note(self, line: Line) -> None:
        self.done.names.add(line["file"])
        self.done.unreadable += "problem" in line

    def _take_up(self) -> list[Line]:
        try:
            with self._path.open("rb") as file:
                return list(self._format.read(file))
        except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
            raise MtcnnError(
                f"{self._path} holds no results of mtcnn detect as {self._layout}: choose another"
            ) from None


class PrintedJson:
    """An array of JSON on standard output, an item a picture as it is found; also where the run is stopped, it ends."""

    def __init__(self) -> None:
        self.done = Done()
        self._before = "["

    def is_done(self, path: Path) -> bool:
        return False

    def add(self, lines: str) -> None:
        sys.stdout.write(f"{self._before}\n{lines.rstrip()}")
        sys.stdout.flush()
        self._before = ","

    def finish(self) -> None:
        pass

    def __enter__(self) -> PrintedJson:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or not issubclass(kind, BrokenPipeError):
            sys.stdout.write("[]\n" if self._before == "[" else "\n]\n")


class YoloLabels:
    """A folder with a file of labels for each picture that could be read, in the folders that pictures are in.

    Args:
        path: of the folder; made where it is missing.
        inputs: what is read.
        settings: what labels depend on, by the options' names.
        resume: leave out the pictures that have labels.
        overwrite: replace labels that are there.

    Raises:
        OutputError: labels of an earlier run are there, and neither `resume` nor `overwrite` is set; or the folder
            cannot be written.
        MtcnnError: they were made with other settings.
    """

    def __init__(
        self, path: Path, inputs: Inputs, settings: dict[str, Any], *, resume: bool = False, overwrite: bool = False
    ) -> None:
        self.done = Done()
        self._resume = resume
        self._folder = OutputFolder(path, inputs, overwrite=overwrite)
        try:
            if not (resume or overwrite) and (name := self._folder.any_there()):
                mend = "go on with --resume, replace it with --overwrite, or choose another folder"
                raise OutputError(f"{path / name} is there already: {mend}")
            self._folder.check_settings(settings, begin=not resume)
        except BaseException:
            self._folder.close()
            raise

    def is_done(self, path: Path) -> bool:
        done = self._resume and self._folder.has(os.path.abspath(path))
        if done:
            self.done.names.add(str(path))
        return done

    def holds(self, path: Path) -> bool:
        """Whether a file is one of the labels that runs wrote here."""
        return self._folder.holds(path)

    def name(self, found: Found) -> None:
        """Give the picture's labels a name: before they are added, in the order of the pictures."""
        wanted, other = found.name.with_suffix(".txt"), Path(f"{found.name}.txt")
        self._folder.name_for(os.path.abspath(found.path), wanted, other)

    def add(self, lines: str) -> None:
        """A picture, as a line of JSON.

        Raises:
            OutputError: its labels cannot be written.
        """
        line = json.loads(lines)
        if "faces" in line:
            self._folder.write(self._folder.name_of(os.path.abspath(line["file"])), labels_of(line).encode())

    def finish(self) -> None:
        pass

    def __enter__(self) -> YoloLabels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.close()


def labels_of(line: Line) -> str:
    """A line a face: class 0, then the centre and the sides of its box, as shares of the picture's."""
    width, height = line["width"], line["height"]
    text = ""
    for face in line["faces"]:
        x1, y1, x2, y2 = face["box"]
        x1, x2 = (min(max(x, 0), width) / width for x in (x1, x2))
        y1, y2 = (min(max(y, 0), height) / height for y in (y1, y2))
        if x2 > x1 and y2 > y1:
            text += f"0 {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n"
    return text
