"""What is done and counted in one: signals come after it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mtcnn.runtime.interrupts import uninterrupted


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Python's own of SIGINT, and of SIGTERM what commands have."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    signal.raise_signal(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_block_runs_to_its_end(number: signal.Signals) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        send(number)
        done.append("written")
        done.append("counted")
    assert done == ["written", "counted"]
    with pytest.raises(KeyboardInterrupt):  # as before
        send(number)
    with uninterrupted():
        pass


def test_the_second_is_obeyed_at_once() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        send(signal.SIGINT)
        done.append("first")
        send(signal.SIGTERM)
        done.append("second")
    assert done == ["first"]
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_an_error_is_told() -> None:
    with pytest.raises(ValueError, match="full"), uninterrupted():
        send(signal.SIGINT)
        raise ValueError("full")


def test_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with uninterrupted():
        send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_in_a_thread() -> None:
    """Where no handler can be set: the main thread is interrupted as ever."""
    inside, over = threading.Event(), threading.Event()

    def work() -> None:
        with uninterrupted():
            inside.set()
            over.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(10)
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
    over.set()
    with suppress(KeyboardInterrupt):
        thread.join()
