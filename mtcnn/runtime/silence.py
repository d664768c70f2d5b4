"""Silence where a library's native code writes what no log level stops."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator

__all__ = ["Decoding", "decoding", "listening", "messages_apart", "silence"]

_MOST_SAID, _MOST_KEPT = 1 << 16, 1 << 20  # bytes, of one picture and of all

_silent = threading.RLock()
_changed = threading.Condition()
_apart = 0  # commands whose Python messages go another way than those of native code
_decoding = 0  # threads
_listeners = 0  # threads that want to decode alone
_kept = -1  # standard error while they do
_written = -1  # what leads nowhere in its place


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """What is written to standard error, by whatever code of this process, goes nowhere. Threads take turns: what one
    found there while another is at it would lead nowhere for good.
    """
    with _silent:
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
        with _changed:
            _apart += is_apart
        try:
            yield
        finally:
            with _changed:
                _apart -= is_apart
            if _number_of(stream) == 2:
                sys.stderr = stream


class Decoding:
    """wrote: whether anything was written to standard error meanwhile, by this thread or another."""

    wrote = False


@contextlib.contextmanager
def decoding() -> Iterator[Decoding]:
    """Where commands decode files of pictures, in any number of threads: libraries write what they think of damaged
    ones to standard error, without a name; what comes of it is told anyway. Elsewhere nothing is changed.
    """
    global _decoding
    result = Decoding()
    if not _apart:
        yield result
        return
    with _changed:
        _changed.wait_for(lambda: not _listeners)
        _begin()
        before = _size()
    try:
        yield result
    finally:
        with _changed:
            result.wrote = _size() != before
            _end()


@contextlib.contextmanager
def listening() -> Iterator[Callable[[], bytes]]:
    """As `decoding`, in no other thread at the same time; what it yields returns what was written meanwhile."""
    global _listeners
    if not _apart:
        yield lambda: b""
        return
    with _changed:
        _listeners += 1
        try:
            _changed.wait_for(lambda: not _decoding)
            _begin()
            before = _size()
        except BaseException:
            _listeners -= 1
            _changed.notify_all()
            raise
    try:
        yield lambda: _read(before) if _written >= 0 else b""
    finally:
        with _changed:
            _listeners -= 1
            _end()


def _begin() -> None:
    global _decoding, _kept, _written
    if _decoding == 0:
        _kept, _written = _turn_off()
    _decoding += 1


def _end() -> None:
    global _decoding, _kept, _written
    _decoding -= 1
    if _decoding == 0:
        if _kept >= 0:
            os.dup2(_kept, 2)
            os.close(_kept)
            os.close(_written)
        _kept = _written = -1
    elif _size() > _MOST_KEPT:
        os.ftruncate(_written, 0)
        os.lseek(_written, 0, os.SEEK_SET)
    _changed.notify_all()


def _forget() -> None:
    """In a forked process there are none of the threads that decode, nor of those that would let the lock go."""
    global _changed, _decoding, _listeners, _silent
    _silent, _changed = threading.RLock(), threading.Condition()
    _listeners, _decoding = 0, min(_decoding, 1)
    if _decoding:
        with _changed:
            _end()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)


def _size() -> int:
    return os.fstat(_written).st_size if _written >= 0 else 0


def _read(since: int) -> bytes:
    if sys.platform != "win32":
        return os.pread(_written, _MOST_SAID, since)
    os.lseek(_written, since, os.SEEK_SET)
    said = os.read(_written, _MOST_SAID)
    os.lseek(_written, 0, os.SEEK_END)  # where standard error goes on
    return said


def _nameless() -> int:
    """A new file of this process alone, in memory where the system has such."""
    if sys.platform == "linux":
        return os.memfd_create("decoding")
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


def _turn_off() -> tuple[int, int]:
    """Standard error under another number, while its own leads to a file without a name; and that. -1: no number is
    left, and all is as it was.
    """
    try:
        written = _nameless()
    except OSError:
        return -1, -1
    kept = -1
    try:
        kept = os.dup(2)
        os.dup2(written, 2)
    except OSError:
        if kept >= 0:
            os.close(kept)
        os.close(written)
        return -1, -1
    return kept, written


def _number_of(stream: object) -> int | None:
    try:
        return stream.fileno() if isinstance(stream, io.TextIOWrapper) else None
    except (OSError, ValueError):  # it has none, or is closed
        return None
