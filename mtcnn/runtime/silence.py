"""Silence where a library's native code writes what no log level stops."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator

__all__ = ["decoding", "messages_apart", "silence"]

_lock = threading.Lock()
_apart = 0  # commands whose Python messages go another way than those of native code
_decoding = 0  # threads
_kept = -1  # standard error while they do


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """What is written to standard error, by whatever code of this process, goes nowhere."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def messages_apart() -> Iterator[None]:
    """A command, in which `decoding` is silent: Python's messages are written past the number of standard error."""
    global _apart
    stream = sys.stderr
    with contextlib.ExitStack() as stack:
        if _number_of(stream) == 2:
            with contextlib.suppress(OSError):  # no number is left
                own = stack.enter_context(os.fdopen(os.dup(2), "w", 1, stream.encoding, stream.errors))
                sys.stderr = own
        is_apart = _number_of(sys.stderr) != 2
        with _lock:
            _apart += is_apart
        try:
            yield
        finally:
            with _lock:
                _apart -= is_apart
            if _number_of(stream) == 2:
                sys.stderr = stream


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Where commands decode files of pictures, in any number of threads: libraries write what they think of damaged
    ones to standard error, without a name; what comes of it is told anyway. Elsewhere nothing is changed.
    """
    global _decoding, _kept
    if not _apart:
        yield
        return
    with _lock:
        if _decoding == 0:
            _kept = _turn_off()
        _decoding += 1
    try:
        yield
    finally:
        with _lock:
            _decoding -= 1
            if _decoding == 0 and _kept >= 0:
                os.dup2(_kept, 2)
                os.close(_kept)


def _turn_off() -> int:
    """Standard error under another number, while its own leads nowhere; -1: no number is left, and all is as it was."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        return -1
    try:
        kept = os.dup(2)
        os.dup2(nowhere, 2)
    except OSError:
        return -1
    finally:
        os.close(nowhere)
    return kept


def _number_of(stream: object) -> int | None:
    try:
        return stream.fileno() if isinstance(stream, io.TextIOWrapper) else None
    except (OSError, ValueError):  # it has none, or is closed
        return None
