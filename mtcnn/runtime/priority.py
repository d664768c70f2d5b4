"""Priorities that a library changes for the whole process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["same_priority"]


@contextlib.contextmanager
def same_priority() -> Iterator[None]:
    """Threads keep the scheduling that they had, and those that the work starts get its caller's.

    SVT-AV1 makes its threads and the one that opens it real-time ones (SCHED_FIFO, 99) where it may, as root in a
    container. All that such a process does, and what it starts, then starves every other thread of the machine.
    """
    if sys.platform != "linux":
        yield
        return
    before = {thread: _scheduling(thread) for thread in _threads()}
    own = _scheduling(0)
    try:
        yield
    finally:
        for thread in _threads():
            right = before.get(thread) or own
            if right is not None and _scheduling(thread) not in (right, None):
                with contextlib.suppress(OSError):  # it has ended
                    os.sched_setscheduler(thread, right[0], os.sched_param(right[1]))


def _threads() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:  # no /proc
        return [0]


def _scheduling(thread: int) -> tuple[int, int] | None:
    """Policy and priority of a thread, 0 being one's own; None where it has ended."""
    if sys.platform != "linux":
        return None
    try:
        return os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority
    except OSError:
        return None
