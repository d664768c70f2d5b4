"""A whole detection enqueued before any of its boxes is counted, beside its stages one by one: equal bit for bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import DeviceError, cascade
from mtcnn.engines import NETWORKS
from mtcnn.params import Params, make_params
from mtcnn.refine import refine
from mtcnn.work import OverLimitError
from pytrt.testing import EmulatedGpu
from tests.support import pictures
from tests.support.emulated import emulated_gpu, kernel_detector
from tests.support.lnet import lnet_model

Image = NDArray[np.uint8]
Faces = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
Make = Callable[[EmulatedGpu], pytrt.Stages]

WAYS: dict[str, dict[str, Any]] = {
    "fast": {},
    "accurate": {"preset": "accurate"},
    "port": {"preset": "port", "max_size": (90, 90)},
    "flip": {"mirror": True},
    "flip in the first pass": {"preset": "accurate", "mirror_range": (0, 1)},
    "flip some in the first pass": {"mirror": True, "mirror_range": (0.05, 0.999), "thresholds": (0.6, 0.1, 0.5)},
    "no crop to flip": {"mirror": True, "mirror_range": (0.5, 0.5)},
    "three squares": {"second_pass": True, "second_pass_scales": (0.85, 1.0, 1.2)},
    "mean scores": {"second_pass": True, "average_scores": True, "thresholds": (0.6, 0.7, 0.5)},
    "votes": {"average_above": 0.4, "vote": 0.3},
    "regressed": {"nms_boxes": "regressed"},
    "whole pixels": {"preset": "accurate", "whole_pixels": True},
    "few boxes": {"max_rnet": 3, "max_onet": 1},
    "P-Net": {"networks": 1},
    "R-Net": {"networks": 2},
    "P-Net finds none": {"thresholds": (1, 0.7, 0.7)},
    "R-Net finds none": {"thresholds": (0.6, 1, 0.7)},
    "O-Net finds none": {"thresholds": (0.6, 0.7, 1)},
}
# More than csrc/cuda/rooms.h has room for at first, of R-Net's boxes, of O-Net's, and of faces.
# Of mirror images it has room for 32.
FIRST = (256, 64, 16)
CROWDS: dict[str, dict[str, Any]] = {
    "R-Net": {"thresholds": (0.0, 0.95, 0.9), "nms_thresholds": (1, 1, 0.7, 0.7), "max_rnet": 300},
    "O-Net": {"thresholds": (0.0, 0.0, 0.9), "nms_thresholds": (1, 1, 1, 0.7), "max_rnet": 90},
    "mirror images": {
        "thresholds": (0.0, 0.0, 0.9),
        "nms_thresholds": (1, 1, 1, 0.7),
        "max_rnet": 60,
        "mirror": True,
        "mirror_range": (0, 0.999),
    },
    "faces": {"thresholds": (0.0, 0.0, 0.0), "nms_thresholds": (1, 1, 1, 1), "max_rnet": 30},
    "all": {"thresholds": (0.0, 0.0, 0.0), "nms_thresholds": (1, 1, 1, 1), "max_rnet": 260, "max_onet": 70},
}


def parameters(preset: str = "fast", minsize: float = 24, **changes: Any) -> Params:
    return make_params(preset, {"minsize": minsize, **changes})


@pytest.fixture(scope="module")
def gpu() -> Iterator[EmulatedGpu]:
    made = emulated_gpu("asynchronous", kernels=True)
    yield made
    assert made.misuses() == []


@pytest.fixture(scope="module")
def make(engines: dict[str, Any]) -> Make:
    def stages(device: EmulatedGpu) -> pytrt.Stages:
        nets = [device.load_engine(engines[network].read_bytes()) for network in NETWORKS]
        made = pytrt.Stages(device, *nets, device.load_engine(lnet_model()))
        assert made.runs_ahead
        return made

    return stages


@pytest.fixture(scope="module")
def stages(gpu: EmulatedGpu, make: Make) -> pytrt.Stages:
    """One for all tests, so that each finds what others left in its memory."""
    return make(gpu)


@pytest.fixture
def traced(make: Make) -> tuple[EmulatedGpu, pytrt.Stages]:
    gpu = emulated_gpu("asynchronous", kernels=True, late_pageable=False)
    return gpu, make(gpu)


@pytest.fixture(scope="module")
def scenes(face: Image) -> list[Image]:
    two = pictures.noise(44, 82, grain=9, seed=3)
    for side, x, y in [(36, 3, 5), (38, 42, 2)]:
        pictures.paste(two, pictures.scaled(face, side), x, y)
    return [
        two,
        np.zeros((30, 40, 3), np.uint8),
        pictures.scaled(face, 41),
        np.zeros((1, 1, 3), np.uint8),
        pictures.noise(13, 50, grain=4),
    ]


def one_by_one(stages: pytrt.Stages, images: list[Image], p: Params) -> Faces:
    """By the road that is taken where someone wants to know of each stage."""
    return cascade.detect(stages, images, p, lambda stage, left: None)


def assert_equal(ours: Faces, theirs: Faces) -> int:
    """Returns the number of faces."""
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x.view(np.int32), y.view(np.int32))
    return sum(len(dets) for dets, _ in ours)


class TestEqual:
    @pytest.mark.parametrize("way", WAYS)
    def test_batches_and_pictures(self, way: str, stages: pytrt.Stages, scenes: list[Image]) -> None:
        p = parameters(**WAYS[way])
        found = 0
        for images in (scenes, scenes[1:2]):
            found += assert_equal(cascade.detect(stages, images, p), one_by_one(stages, images, p))
        assert (found == 0) == way.endswith("none")

    def test_without_a_stream(self, make: Make, scenes: list[Image]) -> None:
        """On the plain emulated device, where nothing waits."""
        plain = make(emulated_gpu(kernels=True))
        for preset in ("fast", "accurate"):
            p = parameters(preset)
            assert assert_equal(cascade.detect(plain, scenes, p), one_by_one(plain, scenes, p)) > 2

    @pytest.mark.parametrize("landmark_net", [True, False])
    @pytest.mark.parametrize("preset", ["fast", "accurate"])
    def test_landmark_net(self, preset: str, landmark_net: bool, stages: pytrt.Stages, scenes: list[Image]) -> None:
        p = parameters(preset, landmark_net=landmark_net)
        refined = cascade.detect(stages, scenes, p)
        assert assert_equal(refined, one_by_one(stages, scenes, p)) > 2
        other = cascade.detect(stages, scenes, parameters(preset, landmark_net=not landmark_net))
        assert not np.array_equal(refined[0][1], other[0][1])

    @pytest.mark.parametrize("rotations", [(0, 180), "auto"])
    def test_rotations(self, rotations: Any, stages: pytrt.Stages, scenes: list[Image]) -> None:
        images = [scenes[2], np.ascontiguousarray(scenes[2][::-1]), scenes[1]]
        p = parameters(rotations=rotations)
        assert assert_equal(cascade.detect(stages, images, p), one_by_one(stages, images, p)) >= 2

    @pytest.mark.parametrize("crowd", CROWDS)
    def test_more_boxes_than_room(
        self, crowd: str, traced: tuple[EmulatedGpu, pytrt.Stages], scenes: list[Image]
    ) -> None:
        """At first, and then there is room: the host waits once."""
        gpu, stages = traced
        p = parameters(minsize=12, landmark_net=False, **CROWDS[crowd])
        left: list[int] = []
        expected = cascade.detect(stages, scenes[:1], p, lambda stage, boxes: left.append(boxes))
        assert any(boxes > room for boxes, room in zip(left[1:], FIRST, strict=True)) == (crowd != "mirror images")
        calls = []
        for _ in range(3):
            before = gpu.counts()
            assert_equal(cascade.detect(stages, scenes[:1], p), expected)
            calls.append({kind: n - before[kind] for kind, n in gpu.counts().items()})
        assert calls[0]["download"] >= 4  # two an attempt
        assert (calls[2]["graph"], calls[2]["download"], calls[2]["wait"]) == (1, 0, 1)

    def test_a_picture_in_the_place_of_another(self, stages: pytrt.Stages, scenes: list[Image]) -> None:
        """What is replayed reads the picture of this call."""
        p = parameters()
        found = set()
        for i in range(6):
            img = np.ascontiguousarray(scenes[2] if i % 3 else scenes[2][::-1])
            found.add(assert_equal(cascade.detect(stages, [img], p), one_by_one(stages, [img], p)))
        assert len(found) == 2


class TestKnownBoxes:
    @pytest.mark.parametrize("preset", ["fast", "accurate", "port"])
    def test_as_stage_by_stage(self, preset: str, stages: pytrt.Stages, scenes: list[Image]) -> None:
        img, p = scenes[2], parameters(preset)
        ((dets, _),) = cascade.detect(stages, [img], p)
        assert len(dets)
        for boxes in (dets[:, :4], dets[:0, :4], np.repeat(dets[:, :4], 20, axis=0)):
            ours = refine(stages, img, boxes, p)
            stages.load(
                [img],
                [img.shape[:2]],
                whole_pixels=p.whole_pixels,
                nms_on_windows=p.nms_boxes == "window",
                resize=p.resize,
            )
            left = stages.set_boxes(boxes, np.zeros(len(boxes), np.int32))
            left = left and stages.rnet(p.thresholds[1], p.nms_thresholds[2], p.max_onet)
            left = left and stages.onet(p.thresholds[2], p.nms_thresholds[3], **{**cascade.onet_options(p), "vote": 0})
            if left and p.landmark_net is None:
                stages.lnet(flip=True)
            theirs = stages.boxes()[:2]
            stages.unload()
            assert_equal([ours], [theirs])
            assert (len(ours[0]) > 0) == (len(boxes) > 0)

    def test_any_number_of_them_is_the_same_work(
        self, traced: tuple[EmulatedGpu, pytrt.Stages], scenes: list[Image]
    ) -> None:
        gpu, stages = traced
        p = parameters(landmark_net=False)
        ((dets, _),) = cascade.detect(stages, [scenes[2]], p)
        for i in range(5):
            before = gpu.counts()
            refine(stages, scenes[2], np.repeat(dets[:, :4], 1 + i % 3, axis=0), p)
        after = gpu.counts()
        assert after["graph"] == before["graph"] + 1
        assert after["wait"] == before["wait"] + 1
        assert after["kernel"] == before["kernel"]


class TestWork:
    @pytest.mark.parametrize("preset", ["fast", "accurate", "port"])
    @pytest.mark.parametrize("batch", [1, 3])
    def test_one_graph_and_one_wait(
        self, preset: str, batch: int, traced: tuple[EmulatedGpu, pytrt.Stages], scenes: list[Image]
    ) -> None:
        gpu, stages = traced
        p = parameters(preset)
        for _ in range(4):
            gpu.start_trace()
            cascade.detect(stages, [scenes[2]] * batch, p)
            calls = Counter(kind for kind, _, _ in gpu.trace())
        assert calls == {"graph": 1, "wait": 1, "upload": batch + 1}  # pixels, and what frames there are

    def test_the_first_call_waits_once_where_there_is_room(
        self, traced: tuple[EmulatedGpu, pytrt.Stages], scenes: list[Image]
    ) -> None:
        gpu, stages = traced
        p = parameters()
        cascade.detect(stages, [scenes[0]], p)  # which makes memory, and waits before it frees the old
        before = gpu.counts()["wait"]
        cascade.detect(stages, [scenes[2]], p)
        assert gpu.counts()["wait"] == before + 1

    def test_room_that_nobody_needs_goes(self, traced: tuple[EmulatedGpu, pytrt.Stages]) -> None:
        """After 64 calls that needed less: one crowd does not make slow all that follows."""
        gpu, stages = traced
        crowd, none = pictures.noise(30, 120, grain=2, seed=2), np.zeros((30, 120, 3), np.uint8)
        p = parameters(minsize=12, thresholds=(0.01, 1, 1), nms_thresholds=(1, 1, 1, 1), landmark_net=False)

        def crops(img: Image) -> int:
            """Threads that cut crops out; 0 where a graph was replayed."""
            gpu.start_trace()
            cascade.detect(stages, [img], p)
            return sum(amount for kind, what, amount in gpu.trace() if what == "CropResize")

        before = crops(none)
        assert crops(crowd) > crops(none) > before > 0
        seen = [crops(none) for _ in range(70)]
        assert seen[:60] == [0] * 60
        assert max(seen) == before

    def test_staged_where_stages_are_observed(
        self, traced: tuple[EmulatedGpu, pytrt.Stages], scenes: list[Image]
    ) -> None:
        gpu, stages = traced
        p = parameters()
        seen: list[str] = []
        waits = gpu.counts()["wait"]
        cascade.detect(stages, [scenes[0]], p, lambda stage, left: seen.append(stage))
        assert seen == ["load", "pnet", "rnet", "onet", "lnet"]
        assert gpu.counts()["wait"] > waits + 4


class TestMaxWork:
    """What a picture may cost, counted on the device: refused as where the host counts, and the others have faces."""

    def staged(self, stages: pytrt.Stages, img: Image, p: Params) -> Faces | str:
        """One picture's faces, or why it is refused."""
        try:
            return one_by_one(stages, [img], p)
        except ValueError as error:
            return str(error)

    @pytest.mark.parametrize(
        ("changes", "pictures_taken", "limits", "refused_by"),
        [
            ({}, 5, (0.0008, 0.005, 0.03, 0.045, 0.07, 0.1), "PROL"),
            ({}, 1, (0.002, 0.01, 0.05, 0.08, 0.1), "PROL"),
            ({"preset": "accurate", "mirror_first": True}, 5, (0.025, 0.25), "RO"),
            ({"rotations": (0, 180)}, 5, (0.06, 0.1), "ROL"),  # in the second turn, with what the first has cost
        ],
        ids=["fast", "one picture", "accurate", "turned"],
    )
    def test_as_the_host_counts(
        self,
        changes: dict[str, Any],
        pictures_taken: int,
        limits: tuple[float, ...],
        refused_by: str,
        stages: pytrt.Stages,
        scenes: list[Image],
    ) -> None:
        images, told = scenes[:pictures_taken], ""
        for limit in limits:
            p = parameters(**changes, max_work=limit)
            expected = [self.staged(stages, img, p) for img in images]
            refused = {i: said for i, said in enumerate(expected) if isinstance(said, str)}
            assert (len(refused) < len(images)) == (len(images) > 1 or limit == limits[-1])
            try:
                found, said = cascade.detect(stages, images, p), {}
            except OverLimitError as error:
                assert error.faces is not None
                found, said = error.faces, error.refused
            assert said == refused
            for i, faces in enumerate(expected):
                if not isinstance(faces, str):
                    assert_equal(found[i : i + 1], faces)
            told += "".join(refused.values())
        assert [network for network in "PROL" if f"{network}-Net's" in told] == list(refused_by)

    @pytest.mark.parametrize("batch", [1, 3])
    def test_one_graph_and_one_wait(
        self, batch: int, traced: tuple[EmulatedGpu, pytrt.Stages], scenes: list[Image]
    ) -> None:
        """A crowd is refused before room is made for it."""
        gpu, stages = traced
        crowd = parameters(minsize=12, max_work=0.5, landmark_net=False, **CROWDS["all"])
        for p, refused in ((parameters(max_work=1), False), (crowd, True)):
            for _ in range(4):
                gpu.start_trace()
                try:
                    cascade.detect(stages, [scenes[0]] * batch, p)
                    assert not refused
                except OverLimitError as error:
                    assert refused and len(error.refused) == batch
                trace = gpu.trace()
            assert Counter(kind for kind, _, _ in trace) == {"graph": 1, "wait": 1, "upload": batch + 2}  # and budgets

    def test_other_limits_are_the_same_work(
        self, traced: tuple[EmulatedGpu, pytrt.Stages], scenes: list[Image]
    ) -> None:
        """Of the pictures so far, say: what is replayed reads the budgets of this call."""
        gpu, stages = traced
        for i in range(6):
            before = gpu.counts()
            p = parameters(max_work=0.05 if i % 2 else 1 + i)
            with pytest.raises(OverLimitError) if i % 2 else nullcontext():
                cascade.detect(stages, [scenes[0]], p)
        assert gpu.counts()["kernel"] == before["kernel"]

    def test_a_detectors_batch(self, engines_folder: Any, scenes: list[Image]) -> None:
        gpu = emulated_gpu("asynchronous", kernels=True)
        with kernel_detector(gpu=gpu, preset="fast", minsize=24, max_work=0.04) as detector:
            alone = [detector.detect(img) for img in scenes[1:]]
            with pytest.raises(ValueError, match=r"^images\[3\]: max_work is 0.04 .* O-Net's"):
                detector.detect_batch([*scenes[1:4], scenes[0], scenes[4]])
            before = gpu.counts()["wait"]
            found = detector._detect_each([*scenes[1:4], scenes[0], scenes[4]], detector.params)
            assert gpu.counts()["wait"] == before + 1  # those that remain are not detected once more
            assert str(found.pop(3)).startswith("max_work is 0.04 billion")
            assert_equal(found, alone)  # type: ignore[arg-type]

    def test_wrong_budgets(self, stages: pytrt.Stages, scenes: list[Image], engines: dict[str, Any]) -> None:
        settings = cascade.settings(stages, parameters())
        stages.load(scenes[:2], [img.shape[:2] for img in scenes[:2]])
        for wrong, match in (
            ({"budgets": [1]}, "got 1 budgets for 2 frames"),
            ({"budgets": [1, -1]}, "budgets must be at least 0"),
            ({"budgets": [1, 1 << 63]}, "budgets must be at most"),
            ({"budgets": [1, 1], "box_costs": (1, 2)}, "box_costs must be 3 numbers, got 2"),
            ({"budgets": [1, 1], "box_costs": (1, 2, 1 << 41)}, "box_costs must be at most"),
        ):
            with pytest.raises(ValueError, match=match):
                stages.detect([], **settings, **wrong)
        with pytest.raises(TypeError, match="budgets must be a whole number"):
            stages.detect([], **settings, budgets=[1, 0.5])  # type: ignore[list-item]
        assert stages.detect([], **settings, budgets=[1, 2], box_costs=(1, 1, 1)) == 0
        left, boxes = stages.work()
        assert left.tolist() == [1, 2] and boxes.tolist() == [[0, 0, 0]] * 2
        stages.unload()
        assert len(stages.work()[0]) == 0
        cpu = pytrt.CpuDevice("", 1)
        staged = pytrt.Stages(cpu, *(cpu.load_engine(engines[network].read_bytes()) for network in NETWORKS))
        staged.load(scenes[:1], [scenes[0].shape[:2]])
        with pytest.raises(ValueError, match="budgets are for stages that run ahead"):
            staged.detect([], **settings | {"refine_landmarks": False}, budgets=[1])


class TestErrors:
    @pytest.mark.parametrize("kind", ["allocate", "graph", "wait"])
    def test_call_k_fails(self, kind: str, make: Make, scenes: list[Image]) -> None:
        """For k from the first to the last: what comes after is as if nothing had."""
        gpu = emulated_gpu("asynchronous", kernels=True)
        images = [scenes[2]]
        steps = [parameters(landmark_net=False)] * 3 + [parameters("accurate", mirror=False)]
        reference = make(gpu)
        expected = [one_by_one(reference, images, p) for p in steps]
        k = 0
        while True:
            stages = make(gpu)
            gpu.fail(kind, k)
            errors = 0
            for p, faces in zip(steps, expected, strict=True):
                try:
                    assert_equal(cascade.detect(stages, images, p), faces)
                except DeviceError:
                    errors += 1
            failed = gpu.mend()
            assert errors == failed
            assert_equal(cascade.detect(stages, images, steps[0]), expected[0])
            if not failed:
                break
            k += 1 + k // 2
        assert k > 0
        assert gpu.misuses() == []
