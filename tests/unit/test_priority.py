"""A library that changes how threads are scheduled changes it for itself alone."""

from __future__ import annotations

import os
import sys
import threading

import pytest

if sys.platform != "linux":
    pytest.skip("scheduling policies are Linux's", allow_module_level=True)

from mtcnn.runtime.priority import same_priority


def policies() -> set[int]:
    return {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}


def become_batch() -> None:
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def in_a_thread(work: object) -> None:
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    thread.join()


def test_the_caller_and_what_it_started() -> None:
    """Policies that need no rights stand for real-time ones. A thread of its own, since the mend is under test."""
    seen = []
    end = threading.Event()

    def library() -> None:
        become_batch()
        thread = threading.Thread(target=end.wait)  # inherits the policy
        thread.start()
        seen.append(thread)

    def caller() -> None:
        with same_priority():
            library()
            assert os.SCHED_BATCH in policies()
        seen.append(policies())

    in_a_thread(caller)
    end.set()
    seen[0].join()
    assert os.SCHED_BATCH not in seen[1]


def test_what_was_so_before_stays() -> None:
    seen = []

    def caller() -> None:
        become_batch()
        with same_priority():
            pass
        seen.append(os.sched_getscheduler(0))

    in_a_thread(caller)
    assert seen == [os.SCHED_BATCH]


def test_after_an_error() -> None:
    seen = []

    def caller() -> None:
        with pytest.raises(ZeroDivisionError), same_priority():
            become_batch()
            raise ZeroDivisionError
        seen.append(os.sched_getscheduler(0))

    in_a_thread(caller)
    assert seen == [os.SCHED_OTHER]
