"""The manifest of `mtcnn align` and `mtcnn crop`: settings, then what was decided of each picture, as lines of JSON."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

from mtcnn.errors import MtcnnError
from mtcnn.files import Inputs, check_output
from mtcnn.pipeline.crop_files import crops_in
from mtcnn.pipeline.journal import Journal, check_settings
from mtcnn.pipeline.line_file import partial_path
from mtcnn.pipeline.made_of import MANIFEST

__all__ = ["Manifest"]


class Manifest:
    """OUT/manifest.jsonl, open for more lines. One that replaces another is manifest.jsonl.partial until `finish`.

    Args:
        folder: OUT; made where it is missing.
        source: IN.
        inputs: all that is read.
        settings: what crops depend on, and "command".
        resume: go on where it ends.
        overwrite: begin anew.

    Attributes:
        done: the pictures that it has already.
        crops: the crops of these, by what they are made of: see `mtcnn.pipeline.crop_files.crops_in`.
        qualities: of the best shots among these, by their names.
        statuses: how many of them have which status.
        replaced: the crops of a manifest that is begun anew, as `crops`.
        begun_anew: whether crops of earlier runs are to go that this one does not replace; only where the user said so.

    Raises:
        OutputError: it is there and neither `resume` nor `overwrite` is set, or another process writes it.
        MtcnnError: it is none, or was made with other settings or of other pictures.
    """

    def __init__(
        self,
        folder: Path,
        source: Path,
        inputs: Inputs,
        settings: dict[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.done: set[str] = set()
        self.crops: dict[str, str] = {}
        self.qualities: dict[str, float] = {}
        self.statuses: Counter[str] = Counter()
        self.replaced: dict[str, str] = {}
        what = f"manifest of mtcnn {settings['command']}"
        settings = {name: value for name, value in settings.items() if name != "command"}
        header = {"settings": settings, "source": os.path.realpath(source)}
        self._of_persons = bool(settings.get("best_shot"))
        self._path = folder / MANIFEST
        partial = partial_path(self._path)
        for path in (self._path, partial):
            check_output(path, inputs, overwrite=resume or overwrite, resumable=True)
        if partial.exists() or (overwrite and self._path.exists()):
            self._journal = Journal(partial, what)
            self.replaced = _crops_in(self._path)
        else:
            self._journal = Journal(self._path, what)
        self.begun_anew = overwrite or self._journal.path != self._path  # the latter by a run that was stopped
        try:
            before = self._read()
            if overwrite or before is None:
                self.replaced |= self.crops
                self.done, self.crops, self.qualities, self.statuses = set(), {}, {}, Counter()
                self._journal.begin(header)
            else:
                self._check(before, header)
        except BaseException:
            self._journal.close()
            raise

    def add(self, line: dict[str, Any]) -> None:
        self._journal.add(line)
        self._note(line)

    def finish(self) -> None:
        """All is done: the manifest takes its place."""
        if self._journal.path != self._path:
            self._journal.move(self._path)

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    def _read(self) -> dict[str, Any] | None:
        """The first line; the others are noted."""
        lines = self._journal.lines()
        header = next(lines, None)
        for line in lines:
            self.done.add(line["file"])
            self.statuses[line.get("status", "")] += 1
            self._note(line)
        return header

    def _note(self, line: dict[str, Any]) -> None:
        self.crops |= crops_in(line, of_persons=self._of_persons)
        crop, quality = line.get("crop"), line.get("quality")
        if self._of_persons and isinstance(crop, str) and isinstance(quality, float):
            self.qualities[crop] = quality

    def _check(self, before: dict[str, Any], header: dict[str, Any]) -> None:
        check_settings(str(self._journal.path), before["settings"], header["settings"])
        if before.get("source", header["source"]) != header["source"]:
            raise MtcnnError(
                f"{self._journal.path} was made of the pictures in {before['source']}, not of {header['source']}: "
                "choose another folder, or --overwrite"
            )


def _crops_in(path: Path) -> dict[str, str]:
    """The crops of a manifest, by their pictures; none where it is damaged, or another file."""
    try:
        with path.open("rb") as file:
            lines = [json.loads(line) for line in file]
        of_persons = bool(lines[0]["settings"].get("best_shot"))
        return {key: crop for line in lines[1:] for key, crop in crops_in(line, of_persons=of_persons).items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
