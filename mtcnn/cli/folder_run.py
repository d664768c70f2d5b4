"""What commands that make a folder out of a folder have in common."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtcnn.cli.console import say
from mtcnn.cli.keeping import ended

if TYPE_CHECKING:
    from mtcnn.pipeline.formats import Skipped
    from mtcnn.pipeline.output_folder import OutputFolder
    from mtcnn.pipeline.read import Found

__all__ = ["FolderRun"]

_WRONG = "unreadable", "truncated", "damaged", "dark", "not written"


class FolderRun:
    """One run: what it counts, where it may begin, and what it says when it ends.

    Args:
        source: the folder that is read.
        output: the folder that is written, if one is.

    Raises:
        ClickException: they are one folder.
    """

    def __init__(self, source: Path, output: Path | None, *, resume: bool, overwrite: bool) -> None:
        if output is not None and os.path.exists(output) and os.path.samefile(source, output):
            raise click.ClickException(f"{source} would be overwritten with what is made of it: choose another folder")
        self.counts: Counter[str] = Counter()
        self._before: Counter[str] = Counter()  # what is wrong with what earlier runs did
        self._output, self._resume, self._overwrite = output, resume, overwrite
        self._began = time.perf_counter()

    def refuse_an_earlier_one(self, folder: OutputFolder) -> None:
        """Raise where the folder holds results and nobody said what is to become of them."""
        if not (self._resume or self._overwrite) and (there := folder.any_there()):
            there = f"{folder.folder / there} is there already"
            raise click.ClickException(
                f"{there}: go on with --resume, replace it with --overwrite, or choose another folder"
            )

    def still_to_do(self, found: list[Found], folder: OutputFolder) -> list[Found]:
        """All that was found, or with --resume what no earlier run did."""
        if not self._resume:
            return found
        left = []
        for one in found:
            source = os.path.abspath(one.path)
            if not folder.has(source):
                left.append(one)
                continue
            self.counts["done before"] += 1
            if flaw := folder.flaw_of(source):
                self._before[flaw] += 1
        return left

    def end(self, code: int, done: str, skipped: Skipped) -> int:
        """Say what was done; the exit code."""
        from mtcnn.cli.run import PARTLY

        text = done + "".join(
            f", {name}: {self.counts[name]}" for name in (*_WRONG, "done before") if self.counts[name]
        )
        if self._before:
            text += " (" + ", ".join(f"{name}: {count}" for name, count in sorted(self._before.items())) + ")"
        text += f", {time.perf_counter() - self._began:.1f} s"
        if skipped:
            text += f"; skipped: {skipped}"
        wrong = self._before or any(self.counts[name] for name in _WRONG)
        say(ended(code, text, can_resume=self._output is not None), fg="red" if code or wrong else None)
        return code or (PARTLY if wrong else 0)
