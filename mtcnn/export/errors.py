"""The error of files that hold no weights of MTCNN."""

from __future__ import annotations

from mtcnn.errors import MtcnnError

__all__ = ["WeightsError", "printable"]

_MOST_CHARACTERS = 60


class WeightsError(MtcnnError):
    """A file of weights is missing, damaged, or not of one of the three networks."""


def printable(name: str) -> str:
    """A name out of a file as messages may show it: a file may name its parts by any text of any length."""
    short = name if len(name) <= _MOST_CHARACTERS else f"{name[:_MOST_CHARACTERS]}..."
    return "".join(c if c.isprintable() else "?" for c in short)
