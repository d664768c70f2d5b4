"""What reading one file of weights may cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeGuard

from mtcnn.export.errors import WeightsError

__all__ = ["MOST_DIMENSIONS", "MOST_FILE_BYTES", "MOST_SIDE", "Budget", "whole_numbers"]

# The three networks have 497,140 weights, 2 MB, in arrays of up to 4 dimensions of up to 1,152. The files that they are
# published in take at most 2,300 steps and 10 MB, and the packages around these have 26 members: the limits are a
# multiple of that, and a file that keeps to them is read or refused in a fraction of a second.
MOST_FILE_BYTES = 64 << 20
MOST_DIMENSIONS = 4
MOST_SIDE = 4096
_MOST_BYTES = 64 << 20
_MOST_STEPS = 50_000
_MOST_MEMBERS = 4096
_MOST_FILES_DEEP = 3  # a .pt in a wheel is a file in a zip in a zip


class Budget:
    """What is left to spend on a file and on all that is in it; every reader of it spends from the same one."""

    def __init__(self) -> None:
        self._bytes = _MOST_BYTES
        self._steps = _MOST_STEPS
        self._members = _MOST_MEMBERS
        self._files_deep = 0

    @property
    def bytes_left(self) -> int:
        return self._bytes

    def spend_bytes(self, count: int) -> None:
        """Before as many bytes are read, decompressed or copied.

        Raises:
            WeightsError: there are not as many left.
        """
        self._bytes -= count
        if count < 0 or self._bytes < 0:
            raise WeightsError(f"it is far larger than MTCNN's weights: it holds more than {_MOST_BYTES >> 20} MiB")

    def spend_steps(self, count: int = 1) -> None:
        """Before as many opcodes, objects or fields are looked at.

        Raises:
            WeightsError: there are not as many left.
        """
        self._steps -= count
        if self._steps < 0:
            raise WeightsError(f"it has far more parts than MTCNN's weights: more than {_MOST_STEPS:,}")

    def spend_members(self, count: int) -> None:
        """Before as many members of an archive are listed.

        Raises:
            WeightsError: there are not as many left.
        """
        self._members -= count
        if self._members < 0:
            raise WeightsError(f"it is a zip of more than {_MOST_MEMBERS:,} members")

    @contextmanager
    def inner_file(self) -> Iterator[None]:
        """While a file inside the file is read.

        Raises:
            WeightsError: files lie in files in files.
        """
        if self._files_deep == _MOST_FILES_DEEP:
            raise WeightsError("it holds zips in zips: unpack it")
        self._files_deep += 1
        try:
            yield
        finally:
            self._files_deep -= 1


def whole_numbers(values: object, least: int, most: int) -> TypeGuard[tuple[int, ...]]:
    """Whether these are a tuple of whole numbers in least..most, no more than arrays have dimensions."""
    return (
        isinstance(values, tuple)
        and len(values) <= MOST_DIMENSIONS
        and all(type(n) is int and least <= n <= most for n in values)
    )
