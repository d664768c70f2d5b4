"""Detectors shared between threads, the GIL, and memory over many calls."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import ClosedError, TrtMtcnn
from mtcnn.engines import NETWORKS, load_engine
from mtcnn.engines.devices import cpu_device
from tests.support import pictures

pytestmark = pytest.mark.slow

Image = NDArray[np.uint8]
Call = tuple[Image, dict[str, Any]]

THREADS = 16


@pytest.fixture(scope="module")
def calls(astronaut: Image, face: Image) -> list[Call]:
    """Pictures of different sizes and faces, with different parameters."""
    rng = np.random.default_rng(3)
    made: list[Call] = [
        (astronaut, {}),
        (astronaut, {"minsize": 20, "preset": "port"}),
        (np.ascontiguousarray(astronaut[:, ::-1]), {"max_size": (300, 300)}),
        (np.zeros((1, 1, 3), np.uint8), {}),
        (pictures.noise(200, 300), {"minsize": 12, "thresholds": (0.1, 0.2, 0.3)}),
    ]
    for i in range(12):
        rows, columns = rng.integers(1, 4, 2).tolist()
        tile = pictures.scaled(face, int(rng.integers(70, 160)))
        made.append((pictures.tiled(tile, rows, columns), {"minsize": 30, "preset": ("fast", "port")[i % 2]}))
    return made


def run(detector: TrtMtcnn, call: Call) -> tuple[Any, Any]:
    img, params = call
    return detector.detect(img, **params)


def in_threads(work: Callable[[int], None]) -> None:
    """work(0), work(1), ... at once; the first error is raised."""
    start = threading.Barrier(THREADS)

    def begin(i: int) -> None:
        start.wait()
        work(i)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(begin, i) for i in range(THREADS)]:
            done.result()


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_one_detector_in_many_threads(threads: int, calls: list[Call], engines: dict[str, Path]) -> None:
    with TrtMtcnn(device="cpu", threads=threads) as detector:
        serial = [run(detector, call) for call in calls]
        assert sum(len(dets) for dets, _ in serial) > 30

        def work(i: int) -> None:
            for j in np.random.default_rng(i).permutation(len(calls)):
                dets, landmarks = run(detector, calls[j])
                np.testing.assert_array_equal(dets, serial[j][0])
                np.testing.assert_array_equal(landmarks, serial[j][1])

        in_threads(work)


def test_a_detector_for_each_thread(calls: list[Call], detector: TrtMtcnn) -> None:
    serial = [run(detector, call) for call in calls]

    def work(i: int) -> None:
        with TrtMtcnn(device="cpu") as own:
            for call, (dets, landmarks) in list(zip(calls, serial, strict=True))[i::2]:
                found = run(own, call)
                np.testing.assert_array_equal(found[0], dets)
                np.testing.assert_array_equal(found[1], landmarks)

    in_threads(work)


def test_batches_in_threads(calls: list[Call], detector: TrtMtcnn) -> None:
    images = [img for img, _ in calls]
    serial = detector.detect_batch(images, 40)

    def work(i: int) -> None:
        for (dets, landmarks), found in zip(serial, detector.detect_batch(images, 40), strict=True):
            np.testing.assert_array_equal(found[0], dets)
            np.testing.assert_array_equal(found[1], landmarks)

    in_threads(work)


def test_one_network_in_many_threads(engines: dict[str, Path]) -> None:
    net = pytrt.PyTrtMtcnn(engines["rnet"])
    rng = np.random.default_rng(0)
    batches = [rng.normal(0, 0.5, (n, 3, 24, 24)).astype(np.float32) for n in (1, 2, 7, 32)]
    serial = [net.forward(batch) for batch in batches]

    def work(i: int) -> None:
        for _ in range(20):
            for batch, expected in zip(batches, serial, strict=True):
                for name, array in net.forward(batch).items():
                    np.testing.assert_array_equal(array, expected[name])

    in_threads(work)


def test_closing_while_others_detect(face: Image, engines: dict[str, Path]) -> None:
    img = pictures.tiled(pictures.scaled(face, 80), 2, 3)
    for _ in range(10):
        detector = TrtMtcnn(device="cpu")
        expected = len(detector.detect(img, 30)[0])

        def work(i: int, detector: TrtMtcnn = detector, expected: int = expected) -> None:
            if i == 0:
                time.sleep(0.01)
                detector.close()
                return
            try:
                while True:  # a call under way ends as usual
                    assert len(detector.detect(img, 30)[0]) == expected
            except ClosedError:
                pass

        in_threads(work)


def longest_pause(work: Callable[[], object]) -> tuple[float, float]:
    """How long `work` took, and the longest that another Python thread had to wait meanwhile, in seconds."""
    pauses = [0.0]
    stop = threading.Event()
    ready = threading.Event()

    def count() -> None:
        last = time.perf_counter()
        ready.set()
        while not stop.is_set():
            time.sleep(0.0005)
            now = time.perf_counter()
            pauses.append(now - last)
            last = now

    counter = threading.Thread(target=count)
    counter.start()
    ready.wait()
    start = time.perf_counter()
    work()
    took = time.perf_counter() - start
    stop.set()
    counter.join()
    return took, max(pauses)


@pytest.mark.parametrize("threads", [0, 1])
def test_the_gil_is_free_while_it_detects(threads: int, astronaut: Image, engines: dict[str, Path]) -> None:
    img = np.tile(astronaut, (4, 6, 1))
    with TrtMtcnn(device="cpu", threads=threads) as detector:
        detector.detect(img, 20)
        # On a busy machine a thread may wait for a core; once out of a few tries it will not.
        tries = [longest_pause(lambda: detector.detect(img, 12)) for _ in range(4)]
    for took, _ in tries:
        assert took > 0.1
    assert min(pause / took for took, pause in tries) < 0.25


def test_stages_are_for_one_thread_at_a_time(face: Image, engines: dict[str, Path]) -> None:
    """Those that come second are told so, or find the stages free; the results stay whole."""
    device = cpu_device()
    stages = pytrt.Stages(device, *(load_engine(engines[net], device) for net in NETWORKS))
    img = pictures.tiled(face, 3, 3)
    levels = [(0, 73, 73, 73 / img.shape[0], 73 / img.shape[1])]  # where these faces fill a cell
    refused = [0] * THREADS

    def work(i: int) -> None:
        steps: list[Callable[[], Any]] = [
            lambda: stages.load([img], [img.shape[:2]]),
            lambda: stages.pnet(levels, 0.6, 0.5, 0.7, 1000),
            lambda: stages.rnet(0.7, 0.7, 1000),
            lambda: stages.onet(0.7, 0.7),
            stages.unload,
            stages.boxes,
        ]
        rng = np.random.default_rng(i)
        for _ in range(300):
            try:
                found = steps[rng.integers(len(steps))]()
                if isinstance(found, tuple):
                    dets, landmarks, frames = found
                    assert len(dets) == len(landmarks) == len(frames) and not frames.any()
            except RuntimeError as error:
                assert "in use by another thread" in str(error)
                refused[i] += 1
            except ValueError as error:  # pnet() while nothing is loaded
                assert "levels name frame 0, but 0 are loaded" in str(error)

    in_threads(work)
    assert sum(refused) > 0
    stages.load([img], [img.shape[:2]])
    assert stages.pnet(levels, 0.6, 0.5, 0.7, 1000) > 0
    assert stages.rnet(0.7, 0.7, 1000) >= stages.onet(0.7, 0.7) > 0


def resident_megabytes() -> float:
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS in /proc/self/status")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_steady(face: Image, astronaut: Image, engines: dict[str, Path]) -> None:
    rng = np.random.default_rng(0)
    tile = pictures.scaled(face, 70)
    crowd = pictures.tiled(tile, 5, 7)
    with TrtMtcnn(device="cpu") as detector:

        def detect(count: int) -> None:
            for _ in range(count):
                height, width = rng.integers(20, [crowd.shape[0], crowd.shape[1]]).tolist()
                detector.detect(crowd[:height, :width], int(rng.integers(20, 60)))
            detector.detect(crowd, 20)
            detector.detect_batch([astronaut] * 4)

        detect(100)  # every canvas size has been met
        before = resident_megabytes()
        detect(100)
        assert resident_megabytes() < before * 1.05 + 10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("params", [{}, {"max_size": (1000, 1000)}])
def test_memory_of_batches_is_bounded_whatever_is_where(params: dict[str, Any], engines: dict[str, Path]) -> None:
    tiny, large = np.zeros((10, 10, 3), np.uint8), np.zeros((1300, 1500, 3), np.uint8)
    with TrtMtcnn(device="cpu") as detector:
        detector.detect_batch([tiny, large], **params)
        before = resident_megabytes()
        for i in range(100):  # each place in a batch has held the large one
            detector.detect_batch([tiny] * i + [large], **params)
        assert resident_megabytes() < before + 60


def test_close_as_a_call_ends_keeps_nothing(astronaut: Image, engines: dict[str, Path]) -> None:
    detector = TrtMtcnn(device="cpu")

    class Closes(list[pytrt.Stages]):
        def append(self, stages: pytrt.Stages) -> None:
            detector.close()  # as another thread would, just before
            super().append(stages)

    detector._idle = Closes(detector._idle)
    assert len(detector.detect(astronaut)[0]) == 1
    assert detector._idle == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_detectors_and_networks_leave_nothing_behind(astronaut: Image, engines: dict[str, Path]) -> None:
    def use() -> None:
        with TrtMtcnn(device="cpu") as detector:
            detector.detect(astronaut)
        net = pytrt.PyTrtMtcnn(engines["onet"])
        net.forward(np.zeros((8, 3, 48, 48), np.float32))
        net.destroy()

    for _ in range(5):
        use()
    before = resident_megabytes()
    for _ in range(15):
        use()
    assert resident_megabytes() < before * 1.05 + 20
