"""The warning that something was given which changes nothing."""

from __future__ import annotations

import sys
import warnings

from mtcnn.errors import UnusedParameterWarning

__all__ = ["warn_unused"]


def warn_unused(text: str) -> None:
    """An UnusedParameterWarning, by the first line of code on the stack that is not this package's."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "mtcnn":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, UnusedParameterWarning, stacklevel=level)
