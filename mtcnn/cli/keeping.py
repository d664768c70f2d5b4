"""What commands say of results that are there, that could not be written, and that another run can go on with."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from mtcnn.cli.console import say
from mtcnn.files import NoMoreOutputError

if TYPE_CHECKING:
    from mtcnn.pipeline.formats import Skipped

__all__ = ["Problems", "can_be_resumed", "done_before", "ended", "refuse_missing", "tell_empty"]

_SHOWN = 20  # on a terminal


class Problems:
    """Says what is wrong with single outputs: all of it in a log, the first of it on a terminal."""

    def __init__(self) -> None:
        self._count = 0
        self._shown = _SHOWN if sys.stderr.isatty() else sys.maxsize

    def add(self, text: str) -> None:
        self._count += 1
        if self._count <= self._shown:
            say(text, fg="red")
        if self._count == self._shown:
            say("further ones are only counted: with 2>FILE all are written there", fg="red")


def done_before(before: Counter[str]) -> str:
    """Of the pictures that earlier runs did."""
    if not before.total():
        return ""
    text = f", done before: {before.total()}"
    return text + (f" (unreadable: {before['unreadable']})" if before["unreadable"] else "")


def ended(code: int, text: str, *, can_resume: bool = True) -> str:
    """The last line of a command that may have been cancelled."""
    if not code:
        return text
    return f"cancelled; done: {text}{'; go on with --resume' if can_resume else ''}"


@contextmanager
def can_be_resumed(resumable: bool = True) -> Iterator[None]:
    """Say so where nothing more can be written."""
    try:
        yield
    except NoMoreOutputError as error:
        raise click.ClickException(
            f"{error}; what is done is kept: go on with --resume" if resumable else str(error)
        ) from error


def tell_empty(skipped: Skipped) -> None:
    """What of several arguments led to no picture: a glob that is misspelt, a folder of something else."""
    for argument in skipped.empty:
        say(f"no pictures in {argument}", fg="yellow")


def refuse_missing(paths: Sequence[str]) -> None:
    """Raise where nothing that was named is there. What is missing among others is reported in its place."""
    missing = [
        path for path in paths if not (os.path.lexists(path) or glob.has_magic(path) or "://" in path or path == "-")
    ]
    if len(missing) == len(paths):
        raise click.ClickException(f"there is no {missing[0]}")
