"""What threads share: what is made or said once, standard error, and lists and arrays that others change meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest

import pytrt
from mtcnn.engines import package_models
from mtcnn.engines.devices import cpu_device
from mtcnn.runtime.once import Said, made_once
from mtcnn.runtime.silence import silence
from tests.conftest import ROOT

THREADS = 8


def in_threads(work: Callable[[], Any]) -> list[Any]:
    start = threading.Barrier(THREADS)

    def begin(_: int) -> Any:
        start.wait()
        return work()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_threads_that_come_at_once_share_a_device() -> None:
    for threads in (61, 62, 63):  # which nothing else asks for
        assert len(set(map(id, in_threads(partial(cpu_device, threads))))) == 1


def test_what_fails_is_made_again() -> None:
    calls = []

    @made_once()
    def make(name: str) -> str:
        calls.append(name)
        if len(calls) == 1:
            raise ValueError
        return name

    with pytest.raises(ValueError):
        make("a")
    assert [make("a"), make("a"), make("b")] == ["a", "a", "b"] and calls == ["a", "a", "b"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_a_thread_makes_one() -> None:
    code = """
import os, signal, threading, time
from mtcnn.runtime.once import made_once
begun = threading.Event()
@made_once()
def make():
    begun.set()
    time.sleep(0.3)
thread = threading.Thread(target=make)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    make()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
thread.join()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=True, timeout=60)


def test_one_thread_says_it() -> None:
    for _ in range(20):
        said = Said()
        assert sum(in_threads(partial(said.is_first, "this"))) == 1
        assert said.is_first("that") and not said.is_first("this")


def test_two_threads_are_silent_at_once() -> None:
    """Standard error leads where it did, whichever ends first."""
    before = os.fstat(2)
    inside, leave = threading.Event(), threading.Event()

    def second() -> None:
        with silence():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=second)
    with silence(), silence():
        thread.start()
        inside.wait(0.1)
    leave.set()
    thread.join()
    assert os.path.samestat(os.fstat(2), before)


class Changes:
    """A number; who reads it changes something."""

    def __init__(self, change: Callable[[], object], value: float = 0.6) -> None:
        self._change, self._value = change, value

    def __float__(self) -> float:
        self._change()
        return self._value

    def __index__(self) -> int:
        return int(float(self))


@pytest.fixture(scope="module")
def stages() -> pytrt.Stages:
    device = cpu_device(1)
    made = pytrt.Stages(device, *(device.load_engine(model) for model in package_models()))
    made.load([np.zeros((100, 100, 3), np.uint8)], [(100, 100)])
    return made


@pytest.mark.parametrize(
    ("name", "rest"),
    [("thresholds", [0.7, 0.7]), ("nms_thresholds", [0.7] * 3), ("flip_range", [0.7]), ("box_costs", [1, 1])],
)
def test_a_list_that_changes_while_it_is_read(name: str, rest: list[float], stages: pytrt.Stages) -> None:
    numbers: list[Any] = []
    grow = partial(numbers.extend, [1] * 1_000_000)
    numbers += [Changes(grow if name == "box_costs" else numbers.clear), *rest]
    given = {"thresholds": (0.6, 0.7, 0.7), "nms_thresholds": (0.5, 0.7, 0.7, 0.7), name: numbers}
    assert stages.detect([(0, 73, 73, 0.73, 0.73)], max_rnet=10, max_onet=10, **given) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("changed", ["boxes", "scores"])
def test_arrays_that_change_once_they_are_checked(changed: str) -> None:
    """As other threads may: what is not finite must not be sorted."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (500, 2))
    arrays = {
        "boxes": np.hstack([corners, corners + 10]).astype(np.float32),
        "scores": rng.random(500).astype(np.float32),
    }
    expected = pytrt.nms(arrays["boxes"], arrays["scores"], 0.5)
    threshold: Any = Changes(lambda: arrays[changed].fill(np.nan), 0.5)
    np.testing.assert_array_equal(pytrt.nms(arrays["boxes"], arrays["scores"], threshold), expected)
