"""What commands print: results on standard output; messages and progress on standard error."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import click

from mtcnn.runtime.text import as_json, printable

__all__ = ["count_ahead", "counting", "echo", "echo_json", "say"]


def echo(text: object = "", fg: str | None = None, bold: bool = False, end: str = "\n") -> None:
    """A line of results. Names of files in it may hold anything: no terminal obeys them."""
    click.secho(printable(str(text)) + end, fg=fg, bold=bold or None, nl=False)


def echo_json(value: Any, indent: int | None = None) -> None:
    click.echo(as_json(value, indent))


def say(text: str, fg: str | None = None) -> None:
    """A message, as safe as `echo`."""
    click.secho(printable(text), fg=fg, err=True)


class Counter(Protocol):
    def advance(self) -> None: ...


class _Silent:
    def advance(self) -> None:
        pass


@contextlib.contextmanager
def counting(
    what: str, quiet: bool = False, total: int | Callable[[threading.Event], int | None] | None = None
) -> Iterator[Counter]:
    """A bar that counts `what`; nothing where nobody sees it or results go to the same screen.

    total: how many there will be; or what finds that out, in a thread beside the work, as `count_ahead` does.
    """
    if quiet or not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn())
    ended = threading.Event()
    with Progress(*columns, *left, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None if callable(total) else total)

        class _Bar:
            def advance(self) -> None:
                progress.advance(task)

        counter = None
        if callable(total):
            find = total
            show = lambda: progress.update(task, total=find(ended))  # noqa: E731
            counter = threading.Thread(target=show, name="count", daemon=True)
            counter.start()
        try:
            yield _Bar()
        finally:
            ended.set()
            if counter:
                counter.join(timeout=1)  # a folder of a network that does not answer is not waited for


def count_ahead(items: Callable[[], Iterable[object]]) -> Callable[[threading.Event], int | None]:
    """For `counting`: how many items there are, counted until the work ends; None where it ends before."""

    def count(ended: threading.Event) -> int | None:
        number = 0
        try:
            for _ in items():
                if ended.is_set():
                    return None
                number += 1
        except OSError:  # the work meets it, too, and says so
            return None
        return number

    return count
