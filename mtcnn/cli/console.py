"""Progress on standard error, where that is a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol

__all__ = ["counting"]


class Counter(Protocol):
    def advance(self) -> None: ...


class _Silent:
    def advance(self) -> None:
        pass


@contextlib.contextmanager
def counting(what: str, quiet: bool = False, total: int | None = None) -> Iterator[Counter]:
    """A bar that counts `what`; nothing where nobody sees it or results go to the same screen."""
    if quiet or not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)

        class _Bar:
            def advance(self) -> None:
                progress.advance(task)

        yield _Bar()
