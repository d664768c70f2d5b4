"""What a library of pictures takes no more of."""

from __future__ import annotations

__all__ = ["TooLargeError"]


class TooLargeError(Exception):
    """A file's picture has more pixels than the library takes."""
