"""Batches whose pictures are copied while the GPU works on the batch before, beside one picture after the other."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import ClosedError, DeviceError, TrtMtcnn, cascade
from mtcnn.engines import NETWORKS, package_models
from mtcnn.params import make_params
from pytrt.testing import EmulatedGpu
from tests.support import pictures
from tests.support.dlpack_array import Lender
from tests.support.emulated import emulated_gpu, kernel_detector

Image = NDArray[np.uint8]
Faces = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
SIDE = 40


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtcnn.detector.COPIED_BATCH_PIXELS", 2 * SIDE * SIDE)


@pytest.fixture
def gpu() -> Iterator[EmulatedGpu]:
    made = emulated_gpu("asynchronous", kernels=True)
    yield made
    assert made.misuses() == []


@pytest.fixture
def ours(gpu: EmulatedGpu, engines_folder: Any) -> Iterator[TrtMtcnn]:
    with kernel_detector(gpu=gpu, preset="fast", minsize=30) as made:
        yield made


@pytest.fixture(scope="module")
def scenes(face: Image) -> list[Image]:
    """Nine pictures of one size with a face or none, so that the last batch is half of one."""
    found = []
    for i in range(9):
        img = pictures.noise(SIDE, SIDE, grain=9, seed=i)
        if i % 3:
            pictures.paste(img, pictures.scaled(face, 34), i % 5, 3)
        found.append(img)
    return found


@pytest.fixture(scope="module")
def expected(scenes: list[Image], engines_folder: Any) -> Faces:
    with kernel_detector(preset="fast", minsize=30) as made:
        return [made.detect(img) for img in scenes]


def assert_equal(found: Any, theirs: Faces) -> None:
    for a, b in zip(found, theirs, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x.view(np.int32), y.view(np.int32))


def test_the_same_faces(ours: TrtMtcnn, scenes: list[Image], expected: Faces) -> None:
    assert sum(len(dets) for dets, _ in expected) >= 3
    for _ in range(4):  # plainly, captured and replayed
        assert_equal(ours.detect_batch(scenes), expected)
        assert_equal(ours.detect_batch(iter(scenes[:3])), expected[:3])
    for turns in ((0,), (0, 180)):  # which are searched one after the other
        found = ours.detect_batch(scenes[:3], rotations=turns)
        assert_equal(found, [ours.detect(img, rotations=turns) for img in scenes[:3]])


def test_pictures_are_copied_while_others_are_worked_on(gpu: EmulatedGpu, ours: TrtMtcnn, scenes: list[Image]) -> None:
    for _ in range(4):
        ours.detect_batch(scenes[:8])
    gpu.start_trace()
    ours.detect_batch(scenes[:8])
    calls = [kind for kind, _, _ in gpu.trace()]
    begun = [*["upload"] * 3, "graph"]  # two pictures, and where they lie
    assert calls == [*begun, *begun, "wait", *begun, "wait", *begun, "wait", "wait"]


def test_one_batch_takes_one_set_of_stages(gpu: EmulatedGpu, ours: TrtMtcnn, scenes: list[Image]) -> None:
    ours.detect_batch(scenes[:2])
    assert len(ours._idle) == 1
    ours.detect_batch(scenes)
    assert len(ours._idle) == 2


def test_pictures_on_the_gpu_are_not_copied(
    ours: TrtMtcnn, scenes: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that all of them are one batch."""
    lent: list[Any] = [Lender(img.ctypes.data, img.shape) for img in scenes]
    monkeypatch.setattr(ours, "_frame", lambda img, *others: img)
    for images, sizes in ((lent, [9]), (scenes, [2, 2, 2, 2, 1]), ([*lent[:5], *scenes[:3]], [5, 2, 1])):
        assert [len(chunk) for chunk in ours._chunks(images, ours.params, "bgr", str, True)] == sizes


class TestErrors:
    @pytest.mark.parametrize("kind", ["allocate", "upload", "graph", "wait"])
    def test_call_k_fails(
        self, kind: str, scenes: list[Image], engines_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For k from the first to the last: what comes after is as if nothing had."""
        monkeypatch.setattr("mtcnn.detector.COPIED_BATCH_PIXELS", SIDE * SIDE)
        gpu, images, k = emulated_gpu("asynchronous", kernels=True), scenes[:3], 0
        with kernel_detector(gpu=gpu, preset="fast", minsize=34) as detector:
            expected = [detector.detect(img) for img in images]
            while True:
                detector._idle[:] = [detector._make_stages()]
                gpu.fail(kind, k)
                errors = 0
                for _ in range(3):
                    try:
                        assert_equal(detector.detect_batch(images), expected)
                    except DeviceError:
                        errors += 1
                failed = gpu.mend()
                assert errors == failed
                assert_equal(detector.detect_batch(images), expected)
                assert len(detector._idle) == 2
                if not failed:
                    break
                k += 1 + k
        assert k > 0
        assert gpu.misuses() == []

    def test_a_picture_that_cannot_be_had(self, gpu: EmulatedGpu, ours: TrtMtcnn, scenes: list[Image]) -> None:
        """While two batches are on their way."""

        def broken() -> Iterator[Image]:
            yield from scenes[:5]
            raise OSError("no more")

        with pytest.raises(OSError, match="no more"):
            ours.detect_batch(broken())
        with pytest.raises(ValueError, match=r"images\[5\] must"):
            ours.detect_batch([*scenes[:5], np.zeros((3, 3, 7), np.uint8)])
        waits = gpu.counts()["wait"]
        assert len(ours.detect_batch(scenes[:2])) == 2
        assert gpu.counts()["wait"] > waits
        assert len(ours._idle) == 2

    def test_parameters_that_one_picture_refuses(self, ours: TrtMtcnn, scenes: list[Image], expected: Faces) -> None:
        """Named, whichever of a batch it is."""
        dark = np.ones((SIDE, SIDE, 3), np.uint8)
        for place in (0, 3, 4):
            images = [*scenes[:place], dark, *scenes[place:4]]
            with pytest.raises(ValueError, match=rf"images\[{place}\]"):
                ours.detect_batch(images)
        large = np.full((4 * SIDE, 4 * SIDE, 3), 9, np.uint8)
        with pytest.raises(ValueError, match=r"images\[3\]: factor is too near 1"):
            ours.detect_batch([*scenes[:3], large], 38, factor=0.9999)
        assert_equal(ours.detect_batch(scenes), expected)

    def test_pictures_are_given_back(self, gpu: EmulatedGpu, ours: TrtMtcnn, scenes: list[Image]) -> None:
        """Also those whose batch had begun when the one before failed."""
        images = [img.copy() for img in scenes[:6]]
        for _ in range(3):
            ours.detect_batch(images)
        gpu.fail("wait", 1)
        with pytest.raises(DeviceError):
            ours.detect_batch(images)
        gpu.mend()
        gc.collect()
        assert all(not views_of(img) for img in images)


def views_of(img: Image) -> list[Any]:
    return [found for found in gc.get_referrers(img) if type(found).__module__ == "pytrt._pytrt"]


class TestThreads:
    def test_together(self, engines_folder: Any, scenes: list[Image], expected: Faces) -> None:
        gpu = emulated_gpu("asynchronous", kernels=True)
        with kernel_detector(gpu=gpu, preset="fast", minsize=30) as detector:
            wrong: list[BaseException] = []

            def work(first: int) -> None:
                try:
                    for _ in range(2):
                        assert_equal(detector.detect_batch(scenes[first:]), expected[first:])
                except BaseException as error:
                    wrong.append(error)

            threads = [threading.Thread(target=work, args=(i,)) for i in (4, 5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []
            assert len(detector._idle) <= 4
        assert gpu.misuses() == []

    def test_closed_meanwhile(self, gpu: EmulatedGpu, ours: TrtMtcnn, scenes: list[Image], expected: Faces) -> None:
        """What has its stages ends as usual; a second set of them cannot be had any more."""

        def closing(after: int) -> Iterator[Image]:
            for i, img in enumerate(scenes):
                if i == after:
                    ours.close()
                yield img

        ours.detect_batch(scenes)
        assert_equal(ours.detect_batch(closing(5)), expected)
        assert ours._idle == []
        with pytest.raises(ClosedError):
            ours.detect_batch(scenes)


class TestStages:
    def test_in_two(self, gpu: EmulatedGpu, engines_folder: Any, scenes: list[Image]) -> None:
        stages = pytrt.Stages(gpu, *map(gpu.load_engine, package_models()))
        assert len(NETWORKS) == 3
        p = make_params("fast", {"minsize": 30})
        (whole,) = cascade.detect(stages, scenes[1:2], p)
        with pytest.raises(RuntimeError, match="no detection has begun on these stages: call begin_detect"):
            stages.finish_detect()
        for _ in range(3):
            shrinks = cascade.begin(stages, scenes[1:2], p)
            for call in (stages.boxes, lambda: stages.rnet(0.7, 0.7, 10), lambda: stages.set_boxes([], [])):
                with pytest.raises(RuntimeError, match="a detection has begun on these stages: call finish_detect"):
                    call()
            assert_equal(cascade.finish(stages, shrinks, p), [whole])
            stages.unload()
        cascade.begin(stages, scenes[2:3], p)
        stages.unload()  # which drops it
        with pytest.raises(RuntimeError, match="no detection has begun"):
            stages.finish_detect()
        assert len(stages.boxes()[0]) == 0
        cascade.begin(stages, scenes[2:3], p)
        assert_equal(cascade.detect(stages, scenes[1:2], p), [whole])  # whose load() drops it, too

    def test_on_a_cpu(self, engines_folder: Any, scenes: list[Image], expected: Faces) -> None:
        """begin_detect() does all of it."""
        cpu = pytrt.CpuDevice("", 1)
        stages = pytrt.Stages(cpu, *map(cpu.load_engine, package_models()))
        p = make_params("fast", {"minsize": 30})
        found = cascade.finish(stages, cascade.begin(stages, scenes, p), p)
        stages.unload()
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-3)
