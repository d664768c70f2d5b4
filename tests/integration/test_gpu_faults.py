"""What goes wrong on a GPU, on the model of one: whatever fails, the detector works again or says DeviceError."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import DeviceError, EngineError, TrtMtcnn, cascade
from mtcnn.engines import NETWORKS, load_engine
from mtcnn.params import make_params
from pytrt.testing import BoxSet, EmulatedGpu
from tests.support import pictures
from tests.support.dlpack_array import Lender
from tests.support.emulated import emulated_detector, emulated_gpu

Image = NDArray[np.uint8]
Faces = tuple[NDArray[np.float32], NDArray[np.float32]]
Step = Callable[[pytrt.Stages], list[Faces]]


@pytest.fixture
def gpu() -> Iterator[EmulatedGpu]:
    """One on which nothing that CUDA forbids, or leaves open, was done."""
    made = emulated_gpu("asynchronous", late_pageable=True)
    yield made
    assert made.misuses() == []


class Program:
    """Calls of all kinds, by which memory grows and work is captured and replayed, and their results."""

    def __init__(self, gpu: EmulatedGpu, engines: dict[str, Any], face: Image) -> None:
        self.gpu = gpu
        self.engines = [load_engine(engines[network], gpu, network) for network in NETWORKS]
        small = pictures.noise(40, 44, grain=9, seed=1)
        pictures.paste(small, pictures.scaled(face, 34), 4, 3)
        large = pictures.noise(70, 80, grain=9, seed=2)
        pictures.paste(large, pictures.scaled(face, 50), 9, 12)
        fast = make_params("fast", {"minsize": 24})
        accurate = make_params("accurate", {"minsize": 30})
        shrunk = make_params("port", {"minsize": 40, "max_size": (60, 60)})
        self.steps = [([small], fast)] * 4 + [
            ([large, small, small], accurate),
            ([large], shrunk),
            ([small], make_params("fast", {"minsize": 12, "thresholds": (0.0, 0.6, 0.6), "max_rnet": 30})),
            ([small], fast),
        ]
        self.expected = [faces for _, faces in self.run(self.stages())]

    def stages(self) -> pytrt.Stages:
        return pytrt.Stages(self.gpu, *self.engines)

    def run(self, stages: pytrt.Stages, first: int = 0) -> Iterator[tuple[int, list[Faces] | None]]:
        """The results of each step from the first on; None where it said DeviceError."""
        for i, (images, params) in list(enumerate(self.steps))[first:]:
            try:
                yield i, cascade.detect(stages, images, params)
            except DeviceError:
                yield i, None

    def check(self, stages: pytrt.Stages, first: int = 0) -> int:
        """Runs all and compares what there is; returns the number of errors."""
        errors = 0
        for i, faces in self.run(stages, first):
            if faces is None:
                errors += 1
            else:
                assert_same(faces, self.expected[i])
        return errors


def assert_same(ours: list[Faces], theirs: list[Faces] | None) -> None:
    assert theirs is not None
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-3)


@pytest.fixture
def program(gpu: EmulatedGpu, engines: dict[str, Any], face: Image) -> Program:
    return Program(gpu, engines, face)


class TestErrors:
    @pytest.mark.parametrize("kind", ["allocate", "allocate pinned", "context", "capture", "graph"])
    def test_each_call_fails_once(self, kind: str, program: Program) -> None:
        """Call k fails, for every k: what comes after is as if nothing had."""
        k = 0
        while self.fail_once(kind, k, program):
            k += 1
        assert k > 0

    @pytest.mark.parametrize("kind", ["wait", "network", "zero", "upload", "copy", "download", "kernel"])
    def test_some_calls_fail_once(self, kind: str, program: Program) -> None:
        """As above, for the kinds of which there are many."""
        k = 0
        while self.fail_once(kind, k, program):
            k += 1 + k // 4
        assert k > 2

    def fail_once(self, kind: str, k: int, program: Program) -> bool:
        """Returns whether there is such a call."""
        program.gpu.fail(kind, k)
        try:
            stages = program.stages()
            errors = program.check(stages)
        except DeviceError:  # of the stages themselves
            errors = 1
            stages = program.stages()
        failed = program.gpu.mend()
        assert errors <= failed
        assert errors == failed or kind in (
            "capture",
            "network",
            "kernel",
            "zero",
            "copy",
        )  # that is tried again at once
        assert program.check(stages, 3) == 0
        return failed

    @pytest.mark.parametrize("kind", ["allocate", "kernel", "wait"])
    def test_a_gpu_that_is_lost(self, kind: str, program: Program) -> None:
        """Every call from then on says DeviceError, and nothing hangs or crashes."""
        stages = program.stages()
        program.gpu.fail(kind, 3, for_good=True)
        program.check(stages)
        assert [faces for _, faces in program.run(stages)] == [None] * len(program.steps)
        with pytest.raises(DeviceError):
            program.stages()
        program.gpu.mend()

    def test_no_room_for_boxes(self, gpu: EmulatedGpu, program: Program) -> None:
        """More are proposed than there is room for, and allocation k of that which is needed then fails."""
        img = pictures.noise(160, 150, grain=2, seed=7)
        levels = [(0, int(160 * s), int(150 * s), s, s) for s in (1.0, 0.7, 0.5)]
        stages = program.stages()
        stages.load([img], [(160, 150)])
        for _ in range(3):
            few = stages.pnet(levels, 0.99, 0.5, 0.7, 50)
        for k in range(20):
            gpu.fail("allocate", k)
            with suppress(DeviceError):
                assert stages.pnet(levels, 0.0, 0.1, 0.1, 50) == 50
            failed = gpu.mend()
            assert stages.pnet(levels, 0.99, 0.5, 0.7, 50) == few
            if not failed:
                break
        assert k >= 3
        stages.unload()

    def test_more_cells_than_an_int_counts(self, gpu: EmulatedGpu, program: Program) -> None:
        """Refused before anything is done: 2^31 proposals would be counted below 0."""
        stages = program.stages()
        stages.load([pictures.noise(60, 60)], [(60, 60)])
        gpu.fail("allocate", 0, 100)
        with pytest.raises(ValueError, match="levels are too large"):
            stages.pnet([(0, 2**17 + 12, 2**16, 1.0, 1.0)], 0.0, 0.5, 0.7, 100)
        gpu.mend()
        stages.unload()

    def test_more_boxes_than_a_gpu_takes(self, gpu: EmulatedGpu, program: Program) -> None:
        """Given ones are as many as P-Net's at most, for suppression takes as long."""
        stages = program.stages()
        stages.load([pictures.noise(60, 60)], [(60, 60)])
        boxes = np.tile(np.float32([0, 0, 20, 20]), (2**21 + 1, 1))
        frames = np.zeros(len(boxes), np.int32)
        with pytest.raises(ValueError, match=r"^got 2097153 boxes, .* a GPU takes 2097152 at most; give fewer"):
            stages.set_boxes(boxes, frames)
        assert len(stages.boxes()[0]) == 0
        assert stages.set_boxes(boxes[:3], frames[:3]) == 3
        stages.unload()

    def test_more_squares_than_an_int_counts(self, gpu: EmulatedGpu) -> None:
        rows = np.zeros(40_000, BoxSet.DTYPE)
        rows["corners"] = [0, 0, 20, 20]
        boxes = BoxSet(gpu, rows, [(60, 60)])
        with pytest.raises(MemoryError):
            boxes.save_and_square(False, np.ones(2**16))

    def test_less_memory_than_a_call_needs(self, engines: dict[str, Any], face: Image) -> None:
        """It says so each time, and what fits is found all the while."""
        img = pictures.noise(90, 90, grain=9, seed=4)
        pictures.paste(img, pictures.scaled(face, 60), 9, 12)
        large = np.zeros((1500, 1500, 3), np.uint8)
        gpu = emulated_gpu("asynchronous", memory=12 << 20)
        with emulated_detector(gpu=gpu) as detector:
            expected = detector.detect(img)
            for _ in range(3):
                with pytest.raises(DeviceError, match="out of memory"):
                    detector.detect(large)
                for _ in range(4):
                    assert_same([detector.detect(img)], [expected])
        assert gpu.misuses() == []

    def test_boxes_of_a_stage_that_failed(self, program: Program) -> None:
        images, _ = program.steps[0]
        stages = program.stages()
        for stage in ("rnet", "onet"):
            stages.load(images, [images[0].shape[:2]])
            assert stages.pnet([(0, 40, 44, 1.0, 1.0)], 0.1, 0.5, 0.7, 100) > 0
            program.gpu.fail("kernel", 0)
            with pytest.raises(DeviceError):
                getattr(stages, stage)(0.1, 0.7, *([100] if stage == "rnet" else []))
            assert len(stages.boxes()[0]) == 0
            stages.unload()


class TestSources:
    """Memory that is not pinned may be read late, which the model does: `gpu` fails where it has changed by then."""

    @pytest.mark.parametrize("preset", ["fast", "accurate", "port"])
    def test_nothing_temporary_is_copied(self, preset: Any, gpu: EmulatedGpu, program: Program) -> None:
        before = gpu.counts()["upload pageable"]
        program.check(program.stages())
        with emulated_detector(gpu=gpu, preset=preset) as detector:
            detector.detect_batch([images[0] for images, _ in program.steps], 24, max_size=(60, 60))
        assert gpu.counts()["upload pageable"] == before

    def test_loaded_twice(self, gpu: EmulatedGpu, program: Program) -> None:
        """A picture in the GPU's memory is given back when nothing reads it any more."""
        img = np.ascontiguousarray(program.steps[0][0][0])
        lent: Any = Lender(img.ctypes.data, img.shape)
        stages = program.stages()
        stages.load([lent], [img.shape[:2]])
        waits = gpu.counts()["wait"]
        other = np.zeros((30, 30, 3), np.uint8)
        gpu.start_trace()
        stages.load([other], [(30, 30)])
        kinds = [kind for kind, _, _ in gpu.trace()]
        assert lent.given_back == 1
        assert gpu.counts()["wait"] > waits
        assert kinds.index("wait") < kinds.index("upload")
        stages.unload()


class TestCaptures:
    def repeat(self, stages: pytrt.Stages, program: Program, calls: int, step: int = 0) -> None:
        images, params = program.steps[step]
        for _ in range(calls):
            assert_same(cascade.detect(stages, images, params), program.expected[step])

    def test_a_batch(self, gpu: EmulatedGpu, program: Program, engines: dict[str, Any], face: Image) -> None:
        """Canvases of one size are one batch, and the work of several is replayed, too."""
        cpu = pytrt.CpuDevice("", 1)
        plain = pytrt.Stages(cpu, *(load_engine(engines[network], cpu, network) for network in NETWORKS))
        levels = [(0, 1270, 500, 1.0, 1.0), (1, 1270, 500, 1.0, 1.0), (2, 300, 500, 1.0, 1.0)]
        images = [pictures.gradient(height, width) for _, height, width, _, _ in levels]
        for i, img in enumerate(images):
            for j in range(8):
                pictures.paste(img, pictures.scaled(face, 16 + j), 9 + 60 * j, 11 + 31 * i * j)
        stages = program.stages()
        for half in (stages, plain):
            half.load(images, [img.shape[:2] for img in images])
        count = plain.pnet(levels, 0.6, 0.5, 0.7, 50)
        assert count > 5
        graphs = gpu.counts()["graph"]
        gpu.start_trace()
        for _ in range(4):
            assert stages.pnet(levels, 0.6, 0.5, 0.7, 50) == count
            for ours, theirs in zip(stages.boxes(), plain.boxes(), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)
        networks = [shape for kind, shape, _ in gpu.trace() if kind == "network"]
        assert networks == 2 * ["(1, 3, 320, 512)", "(2, 3, 1280, 512)"]  # plainly, then captured
        assert gpu.counts()["graph"] == graphs + 3
        stages.unload()

    def test_refused_once(self, gpu: EmulatedGpu, program: Program) -> None:
        stages = program.stages()
        gpu.fail("capture")
        self.repeat(stages, program, 2)
        graphs = gpu.counts()["graph"]
        self.repeat(stages, program, 3)
        assert gpu.counts()["graph"] == graphs + 3

    def test_refused_for_a_time(self, gpu: EmulatedGpu, program: Program) -> None:
        """As by a program that waits for the whole GPU again and again, and then no more."""
        stages = program.stages()
        gpu.fail("capture", 0, 9)
        self.repeat(stages, program, 70)
        graphs = gpu.counts()["graph"]
        self.repeat(stages, program, 3)
        assert gpu.counts()["graph"] == graphs + 3
        gpu.mend()

    @pytest.mark.parametrize("work", ["contexts", "engines"])
    def test_beside_other_threads(self, work: str, gpu: EmulatedGpu, program: Program, engines: dict[str, Any]) -> None:
        """What spoils a capture waits for it."""
        ended = threading.Event()
        failed: list[BaseException] = []

        def disturb() -> None:
            try:
                while not ended.is_set():
                    if work == "contexts":
                        program.stages()
                    else:
                        load_engine(engines["rnet"], gpu, "rnet")
            except BaseException as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=disturb) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(4):
                stages = program.stages()
                captures, graphs = gpu.counts()["capture"], gpu.counts()["graph"]
                until = time.monotonic() + 20
                while gpu.counts()["graph"] == graphs and time.monotonic() < until:
                    self.repeat(stages, program, 1)
                assert gpu.counts()["graph"] > graphs
                assert gpu.counts()["capture"] == captures + 1  # none was in vain
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        assert failed == []

    def test_beside_a_program_that_waits_for_the_gpu(self, gpu: EmulatedGpu, program: Program) -> None:
        """Which knows nothing of our lock: results are right, whatever becomes of captures."""
        ended = threading.Event()

        def disturb() -> None:
            while not ended.is_set():
                with suppress(DeviceError):
                    gpu.synchronize()

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            stages = program.stages()
            for step in (0, 7, 4, 0):
                self.repeat(stages, program, 6, step)
        finally:
            ended.set()
            thread.join()

    def test_settings_that_change_with_every_call(self, gpu: EmulatedGpu, program: Program) -> None:
        """What is kept of them has a bound."""
        stages = program.stages()
        (images, _) = program.steps[0]
        for i in range(40):
            params = make_params("fast", {"minsize": 24, "thresholds": (0.5 + i / 1000, 0.7, 0.7)})
            for _ in range(3):
                cascade.detect(stages, images, params)
        assert 1 <= gpu.live_graphs() <= 8

    def test_shapes_do_not_alternate(self, gpu: EmulatedGpu, program: Program) -> None:
        """Each network has a context for each batch, and P-Net for each size of canvas."""
        stages = program.stages()
        order = (0, 4, 6, 4, 0, 6)
        for step in order:
            self.repeat(stages, program, 1, step)
        before = gpu.counts()
        for step in order * 2:
            self.repeat(stages, program, 1, step)
        after = gpu.counts()
        assert after["reshape"] == before["reshape"] == 0
        assert after["context"] == before["context"]


def test_other_threads_run_while_unload_waits(program: Program) -> None:
    """The GIL is not held."""
    ticks = 0
    ended = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not ended.wait(0.001):
            ticks += 1

    stages = program.stages()
    imgs = [np.zeros((6000, 6000, 3), np.uint8)] * 4
    stages.load(imgs, [(6000, 6000)] * 4)
    thread = threading.Thread(target=tick)
    thread.start()
    try:
        while ticks < 5:
            time.sleep(0.001)
        stages.load(imgs, [(6000, 6000)] * 4)
        start, before = time.monotonic(), ticks
        stages.unload()  # runs what load() has enqueued
        assert time.monotonic() - start > 0.03
        assert ticks > before + 5
    finally:
        ended.set()
        thread.join()


def test_other_threads_run_while_a_failed_call_is_dropped(gpu: EmulatedGpu, program: Program) -> None:
    """What a network was asked to do, and nobody has waited for, is waited for without the GIL."""
    ticks: list[float] = []
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(0.001):
            ticks.append(time.monotonic())

    data = np.zeros((1, 3, 1500, 1500), np.float32)
    program.engines[0].infer(data)  # makes what the next call needs
    thread = threading.Thread(target=tick)
    thread.start()
    try:
        while len(ticks) < 5:
            time.sleep(0.001)
        gpu.fail("wait", 0, 2)
        start = time.monotonic()
        with pytest.raises(DeviceError):
            program.engines[0].infer(data)
        end = time.monotonic()
    finally:
        ended.set()
        thread.join()
        gpu.mend()
    times = np.array([start, *(t for t in ticks if start < t < end), end])
    assert end - start > 0.03
    assert np.diff(times).max() < (end - start) / 2


def test_engines_of_another_device(gpu: EmulatedGpu, program: Program, engines: dict[str, Any]) -> None:
    """They are memory that the stages' own device cannot read, whichever of the two is a GPU."""
    devices = [pytrt.CpuDevice("", 1), emulated_gpu(), emulated_gpu("asynchronous"), emulated_gpu(kernels=True)]
    loaded = [[device.load_engine(engines[network].read_bytes()) for network in NETWORKS] for device in devices]
    for device in devices:
        with pytest.raises(EngineError, match="this engine was loaded on another device"):
            pytrt.Stages(device, *program.engines)
        with pytest.raises(EngineError, match="this engine was loaded on another device"):
            pytrt.Stages(device, *loaded[devices.index(device) - 1])
    with pytest.raises(EngineError, match="this engine was loaded on another device"):
        pytrt.Stages(gpu, *program.engines[:2], loaded[0][2])
    pytrt.Stages(pytrt.CpuDevice("", 1), *loaded[0])  # CPUs share engines


def test_made_twice(gpu: EmulatedGpu, program: Program) -> None:
    """The first ones, which a thread may be using, stay."""
    stages = program.stages()
    with pytest.raises(RuntimeError, match="these stages are made"):
        stages.__init__(gpu, *program.engines)  # type: ignore[misc]
    assert program.check(stages) == 0


def test_forked_while_another_thread_captures() -> None:
    """The lock that keeps others out meanwhile is not held in the child, where no one would release it."""
    code = """
import os, signal, threading
from mtcnn import cascade
from mtcnn.engines import NETWORKS, current_engines, engines_folder, load_engine
from mtcnn.params import make_params
from pytrt import Stages
from pytrt.testing import EmulatedGpu
import numpy as np
paths = current_engines(engines_folder("cpu", 0, "fp32"), "cpu")
gpus = [EmulatedGpu("", 1, asynchronous=True) for _ in "12"]
engines = [[load_engine(path, gpu, net) for path, net in zip(paths, NETWORKS)] for gpu in gpus]
stop = threading.Event()
def capture():
    stages = Stages(gpus[0], *engines[0])
    img = np.zeros((60, 60, 3), np.uint8)
    for i in range(10**6):
        for _ in range(3):
            cascade.detect(stages, [img], make_params("fast", {"thresholds": (0.5 + i / 1e7, 0.7, 0.7)}))
        if stop.is_set():
            return
thread = threading.Thread(target=capture)
thread.start()
try:
    while not gpus[0].counts()["graph"]:
        pass
    for _ in range(25):
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            Stages(gpus[1], *engines[1])
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
finally:
    stop.set()
    thread.join()
"""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr


def test_detector_after_an_error(gpu: EmulatedGpu, program: Program) -> None:
    """Its stages are not left "in use"."""
    (img,), _ = program.steps[0]
    with emulated_detector(gpu=gpu) as detector:
        assert isinstance(detector, TrtMtcnn)
        expected = detector.detect(img, 24)
        for after in range(6):
            gpu.fail("wait", after)
            for _ in range(2):
                with suppress(DeviceError):
                    assert_same([detector.detect(img, 24)], [expected])
            gpu.mend()
            assert_same([detector.detect(img, 24)], [expected])
