"""The warning that something was given which changes nothing, and where such things are not told."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mtcnn.errors import UnusedParameterWarning

__all__ = ["is_untold", "untold", "warn_unused"]

_UNTOLD: ContextVar[bool] = ContextVar("untold", default=False)


@contextmanager
def untold() -> Iterator[None]:
    """No such warning comes: whoever gave the parameters was told before, or is told otherwise."""
    before = _UNTOLD.set(True)
    try:
        yield
    finally:
        _UNTOLD.reset(before)


def is_untold() -> bool:
    """Whether this is within untold()."""
    return _UNTOLD.get()


def warn_unused(text: str) -> None:
    """An UnusedParameterWarning, by the first line of code on the stack that is not this package's."""
    if is_untold():
        return
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "mtcnn":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, UnusedParameterWarning, stacklevel=level)
