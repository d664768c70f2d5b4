"""Threads that the system may refuse to start: for memory (ulimit -v), processes (ulimit -u), a container's limit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mtcnn.errors import DeviceError

__all__ = ["starting_threads"]


@contextlib.contextmanager
def starting_threads(mend: str) -> Iterator[None]:
    """Work that starts Python threads, at once or, as an executor does, as it goes on.

    Args:
        mend: what to do, beside raising the limit.

    Raises:
        DeviceError: one cannot be started.
    """
    try:
        yield
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        raise DeviceError(
            "no further thread can be started: "
            f"{mend}, or raise the limit on processes or memory (ulimit -u, ulimit -v, a container's pids limit)"
        ) from error
