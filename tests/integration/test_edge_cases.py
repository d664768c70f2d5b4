"""What people pass to a detector, and what has made detectors fail."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mtcnn import ClosedError, DeviceError, EngineError, MtcnnError, TrtMtcnn
from mtcnn.params import PRESETS, Params
from tests.conftest import ROOT
from tests.support import pictures

Image = NDArray[np.uint8]
Faces = tuple[NDArray[np.float32], NDArray[np.float32]]


def assert_no_faces(found: Faces) -> None:
    dets, landmarks = found
    assert dets.shape == (0, 5) and landmarks.shape == (0, 10)
    assert dets.dtype == landmarks.dtype == np.float32


def assert_same(a: Faces, b: Faces) -> None:
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


def assert_near(a: Faces, b: Faces, pixels: float = 2) -> None:
    assert a[0].shape == b[0].shape
    np.testing.assert_allclose(a[0][:, :4], b[0][:, :4], atol=pixels)
    np.testing.assert_allclose(a[1], b[1], atol=pixels)


class TestSizes:
    @pytest.mark.parametrize("preset", PRESETS)
    @pytest.mark.parametrize(
        "size", [(1, 1), (1, 300), (300, 1), (2, 2), (11, 11), (12, 12), (13, 12), (8, 2000), (2000, 8), (12, 3000)]
    )
    def test_small_and_narrow(self, size: tuple[int, int], preset: str, detector: TrtMtcnn) -> None:
        for img in (np.zeros((*size, 3), np.uint8), pictures.noise(*size)):
            assert_no_faces(detector.detect(img, 12, preset=preset))
            assert_no_faces(detector.detect(img, preset=preset))

    @pytest.mark.slow
    @pytest.mark.parametrize("minsize", [100, 40])
    @pytest.mark.parametrize("preset", PRESETS)
    def test_5000_by_5000(self, preset: str, minsize: float, astronaut: Image, detector: TrtMtcnn) -> None:
        canvas = np.full((5000, 5000, 3), 90, np.uint8)
        large = cv2.resize(astronaut, (2048, 2048))
        pictures.paste(canvas, large, 2900, 2900)
        dets, landmarks = detector.detect(canvas, minsize, preset=preset)
        x1, y1, x2, y2 = detector.detect(astronaut)[0][0, :4] * 4 + 2900
        best = dets[0]
        assert best[4] > 0.9
        np.testing.assert_allclose(best[:4], [x1, y1, x2, y2], atol=60)
        assert (landmarks[0] > 2900).all()

    @pytest.mark.parametrize("preset", PRESETS)
    @pytest.mark.parametrize("turn", [0, 1])
    def test_portrait_and_landscape(self, turn: int, preset: str, face: Image, detector: TrtMtcnn) -> None:
        size = (1500, 300) if turn else (300, 1500)
        canvas = np.full((*size, 3), 128, np.uint8)
        corners = [(40, 20), (40, 1250)] if turn else [(20, 40), (1250, 40)]
        for x, y in corners:
            pictures.paste(canvas, pictures.scaled(face, 200), x, y)
        dets, _ = detector.detect(canvas, 40, preset=preset)
        assert len(dets) == 2
        centres = sorted(((dets[:, 0] + dets[:, 2]) / 2 + (dets[:, 1] + dets[:, 3]) / 2).tolist())
        np.testing.assert_allclose(centres, sorted(x + y + 200 for x, y in corners), atol=40)

    @pytest.mark.parametrize("level", [0, 128, 255])
    @pytest.mark.parametrize("preset", PRESETS)
    def test_one_colour(self, preset: str, level: int, detector: TrtMtcnn) -> None:
        assert_no_faces(detector.detect(np.full((480, 640, 3), level, np.uint8), 20, preset=preset))


class TestPictures:
    """Every way to hold the same pixels gives the same faces."""

    @pytest.mark.parametrize(
        "view",
        [
            lambda a: np.asfortranarray(a),
            lambda a: np.ascontiguousarray(a[::-1])[::-1],
            lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
            lambda a: np.ascontiguousarray(a[:, :, ::-1])[:, :, ::-1],
            lambda a: np.ascontiguousarray(a.transpose(2, 0, 1)).transpose(1, 2, 0),
            lambda a: np.repeat(a, 2, axis=1)[:, ::2],
            lambda a: np.pad(a, ((3, 5), (7, 2), (0, 0)))[3:-5, 7:-2],
            lambda a: np.dstack([a, np.full(a.shape[:2], 7, np.uint8)]),
            lambda a: a.astype(np.float32),
            lambda a: a.astype(np.float64) + 0.3,
            lambda a: a.astype(np.int64),
            lambda a: a.astype(np.uint16),
            lambda a: a.view(type("Pixels", (np.ndarray,), {})),
        ],
        ids=[
            "fortran", "upside-down rows", "mirrored columns", "reversed channels", "planes", "every second column",
            "crop of a larger one", "bgra", "float32", "float64", "int64", "uint16", "subclass",
        ],
    )  # fmt: skip
    def test_layouts(self, view: Callable[[Image], Any], astronaut: Image, detector: TrtMtcnn) -> None:
        assert_same(detector.detect(view(astronaut)), detector.detect(astronaut))

    def test_read_only_and_untouched(self, astronaut: Image, detector: TrtMtcnn) -> None:
        assert not astronaut.flags.writeable
        before = astronaut.copy()
        assert len(detector.detect(astronaut)[0]) == 1
        np.testing.assert_array_equal(astronaut, before)

    @pytest.mark.parametrize("channels", [(), (1,)])
    def test_gray(self, channels: tuple[int, ...], astronaut: Image, detector: TrtMtcnn) -> None:
        gray = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
        found = detector.detect(gray.reshape(*gray.shape, *channels))
        assert_same(found, detector.detect(np.dstack([gray] * 3)))
        assert_near(found, detector.detect(astronaut), pixels=8)

    def test_channels_are_blue_green_red(self, astronaut: Image, detector: TrtMtcnn) -> None:
        ours, swapped = detector.detect(astronaut), detector.detect(astronaut[:, :, ::-1])
        assert not np.array_equal(ours[0], swapped[0])

    @pytest.mark.parametrize(
        ("img", "error", "message"),
        [
            (None, TypeError, "img is None"),
            ("face.jpg", TypeError, "img is a path"),
            (Path("face.jpg"), TypeError, "img is a path"),
            (b"\xff\xd8", TypeError, "img is bytes"),
            ([[1, 2, 3]], TypeError, "img must be a NumPy array"),
            (7, TypeError, "img must be a NumPy array"),
            (np.zeros((0, 0, 3), np.uint8), ValueError, "img is empty"),
            (np.zeros((0, 50, 3), np.uint8), ValueError, "img is empty"),
            (np.zeros(3, np.uint8), ValueError, "img must have the shape"),
            (np.zeros((50, 50, 2), np.uint8), ValueError, "img must have the shape"),
            (np.zeros((2, 50, 50, 3), np.uint8), ValueError, "img must have the shape"),
            (np.full((50, 50, 3), np.nan), ValueError, "img holds NaN"),
            (np.full((50, 50, 3), 0.5), ValueError, "img holds floats in 0..1"),
            (np.full((50, 50, 3), 256), ValueError, "img holds int64 values from 256 to 256"),
            (np.zeros((50, 50, 3), bool), TypeError, "img is a bool mask"),
            (np.zeros((50, 50, 3), complex), TypeError, "img must hold uint8 levels"),
        ],
    )
    def test_no_picture(self, img: Any, error: type[Exception], message: str, detector: TrtMtcnn) -> None:
        with pytest.raises(error, match=message):
            detector.detect(img)
        with pytest.raises(error, match=message.replace("img", r"images\[1\]")):
            detector.detect_batch([np.zeros((20, 20, 3), np.uint8), img])

    @pytest.mark.parametrize("images", [None, 5, np.zeros((50, 50, 3), np.uint8)])
    def test_no_batch(self, images: Any, detector: TrtMtcnn) -> None:
        with pytest.raises(TypeError, match="images must be a list of pictures"):
            detector.detect_batch(images)


class TestParameters:
    @pytest.mark.parametrize(
        ("params", "error"),
        [
            ({"minsize": 3.9}, ValueError),
            ({"minsize": 0}, ValueError),
            ({"minsize": -40}, ValueError),
            ({"minsize": float("nan")}, ValueError),
            ({"minsize": float("inf")}, ValueError),
            ({"minsize": "40"}, TypeError),
            ({"minsize": True}, TypeError),
            ({"minsize": (40, 40)}, TypeError),
            ({"factor": 0}, ValueError),
            ({"factor": 1}, ValueError),
            ({"factor": -0.5}, ValueError),
            ({"factor": float("nan")}, ValueError),
            ({"factor": "0.7"}, TypeError),
            ({"factor": None}, TypeError),
            ({"thresholds": (0.6, 0.7)}, ValueError),
            ({"thresholds": (0.6, 0.7, 0.7, 0.7)}, ValueError),
            ({"thresholds": (0.6, 0.7, float("nan"))}, ValueError),
            ({"thresholds": (0.6, 1.1, 0.7)}, ValueError),
            ({"thresholds": (0.6, "0.7", 0.7)}, TypeError),
            ({"thresholds": 0.6}, TypeError),
            ({"thresholds": "0.6"}, TypeError),
            ({"nms_thresholds": (0.5, 0.7, 0.7)}, ValueError),
            ({"nms_thresholds": (0.5, 0.7, 0.7, -0.1)}, ValueError),
            ({"max_rnet": 0}, ValueError),
            ({"max_rnet": 2.5}, TypeError),
            ({"max_onet": -1}, ValueError),
            ({"max_onet": True}, TypeError),
            ({"max_size": (0, 100)}, ValueError),
            ({"max_size": (720,)}, TypeError),
            ({"max_size": 720.0}, TypeError),
            ({"level_size": "round"}, ValueError),
            ({"nms_boxes": "both"}, ValueError),
            ({"whole_pixels": 1}, TypeError),
            ({"resize": "cubic"}, ValueError),
            ({"nonsense": 1}, TypeError),
            ({"preset": "slow"}, ValueError),
            ({"preset": 5}, ValueError),
        ],
        ids=str,
    )
    def test_wrong_ones_are_named(self, params: dict[str, Any], error: type[Exception], detector: TrtMtcnn) -> None:
        img = np.zeros((50, 50, 3), np.uint8)
        (name,) = params
        for call in (lambda: detector.detect(img, **params), lambda: detector.detect_batch([img], **params)):
            with pytest.raises(error, match=name):
                call()
        with pytest.raises(error, match=name):
            TrtMtcnn(device="cpu", **params)

    @pytest.mark.parametrize("minsize", [4, 5.5, 12, 12.5, np.float32(20), np.int64(30), 40])
    @pytest.mark.parametrize("preset", PRESETS)
    def test_minsize_from_12_up(self, preset: str, minsize: float, astronaut: Image, detector: TrtMtcnn) -> None:
        dets, landmarks = detector.detect(astronaut, minsize, preset=preset)
        assert_near((dets[:1], landmarks[:1]), detector.detect(astronaut), pixels=15)

    @pytest.mark.parametrize("minsize", [10_000, 513, 1e9])
    def test_minsize_beyond_the_picture(self, minsize: float, astronaut: Image, detector: TrtMtcnn) -> None:
        assert_no_faces(detector.detect(astronaut, minsize))

    def test_minsize_of_the_whole_picture(self, face: Image, detector: TrtMtcnn) -> None:
        tight = face[35:180, 40:160]
        dets, _ = detector.detect(tight, 120)
        assert len(dets) == 1

    @pytest.mark.parametrize("factor", [0.1, 0.5, 0.95])
    def test_factor(self, factor: float, face: Image, detector: TrtMtcnn) -> None:
        # With a factor of 0.1 only faces near minsize and 10 times that are seen.
        canvas = np.full((300, 400, 3), 100, np.uint8)
        pictures.paste(canvas, pictures.scaled(face, 90), 50, 60)
        dets, _ = detector.detect(canvas, 40, factor=factor)
        assert len(dets) == 1 and 35 < dets[0, 2] - dets[0, 0] < 60

    def test_constructor_and_call(self, astronaut: Image, engines: dict[str, Path]) -> None:
        with TrtMtcnn(device="cpu", preset="port", minsize=600) as detector:
            assert detector.params == Params(**{**vars(PRESETS["port"]), "minsize": 600.0})
            assert_no_faces(detector.detect(astronaut))
            assert len(detector.detect(astronaut, 40)[0]) == 1
            assert_no_faces(detector.detect(astronaut, thresholds=(0.1, 0.1, 0.1)))
            # A preset in a call is the whole preset.
            assert len(detector.detect(astronaut, preset="port")[0]) == 1
            assert_no_faces(detector.detect(astronaut))

    @pytest.mark.parametrize("device", ["gpu", "", None, 0, "CPU", "cudax"])
    def test_unknown_device(self, device: Any) -> None:
        with pytest.raises(ValueError, match="device must be"):
            TrtMtcnn(device=device)

    @pytest.mark.parametrize("threads", [-1, 1.5, "2", True, 5000])
    def test_wrong_threads(self, threads: Any) -> None:
        with pytest.raises((TypeError, ValueError), match="threads"):
            TrtMtcnn(threads=threads)

    def test_threads_change_nothing(self, astronaut: Image, detector: TrtMtcnn) -> None:
        for threads in (1, 3):
            with TrtMtcnn(device="cpu", threads=threads) as other:
                assert_near(other.detect(astronaut, 20), detector.detect(astronaut, 20), pixels=0.01)


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has an NVIDIA GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
def test_cuda_without_a_gpu_says_what_is_missing(device: str) -> None:
    with pytest.raises(DeviceError, match="NVIDIA|GPU|CUDA|cuda"):
        TrtMtcnn(device=device)


class TestEngines:
    @pytest.mark.parametrize("engines", ["pnet.engine", 5, b"pnet.engine", {"a", "b", "c"}])
    def test_no_list(self, engines: Any) -> None:
        with pytest.raises(TypeError, match="engines must be three paths"):
            TrtMtcnn(engines)

    @pytest.mark.parametrize(("first", "mend"), [("fast", "preset='fast'"), ("cuda", "device='cuda'")])
    def test_another_argument_first(self, first: Any, mend: str) -> None:
        with pytest.raises(TypeError, match=f"pass {mend}"):
            TrtMtcnn(first)

    @pytest.mark.parametrize("count", [0, 1, 2, 5])
    def test_wrong_number(self, count: int) -> None:
        with pytest.raises(ValueError, match=f"engines must be three paths .* got {count}"):
            TrtMtcnn(["pnet.engine"] * count)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match="there is no engine .*run create_engines"):
            TrtMtcnn([tmp_path / f"{net}.engine" for net in ("pnet", "rnet", "onet")])

    @pytest.mark.parametrize("order", [("onet", "rnet", "pnet"), ("pnet", "onet", "rnet"), ("pnet", "pnet", "pnet")])
    def test_wrong_order(self, order: tuple[str, str, str], engines: dict[str, Path]) -> None:
        with pytest.raises(EngineError, match=r"in the order P-, R-, O-, L-Net"):
            TrtMtcnn([engines[net] for net in order])

    @pytest.mark.parametrize("kind", [str, Path, lambda p: str(p).encode()])
    def test_paths(
        self, kind: Callable[[Path], Any], engines: dict[str, Path], astronaut: Image, detector: TrtMtcnn
    ) -> None:
        with TrtMtcnn([kind(engines[net]) for net in ("pnet", "rnet", "onet")], "cpu") as other:
            assert_same(other.detect(astronaut), detector.detect(astronaut))


class TestResults:
    def test_sorted_and_sensible(self, face: Image, detector: TrtMtcnn) -> None:
        canvas = pictures.noise(420, 700, grain=50, seed=2)
        for i, side in enumerate((100, 130, 160, 190)):
            pictures.paste(canvas, pictures.scaled(face, side), 5 + 170 * i, 10 + 40 * i)
        dets, landmarks = detector.detect(canvas, 30)
        assert len(dets) == 4
        assert (np.diff(dets[:, 4]) <= 0).all()
        assert ((dets[:, 4] >= 0.7) & (dets[:, 4] <= 1)).all()
        x1, y1, x2, y2 = dets[:, :4].T[:, :, np.newaxis]
        xs, ys = landmarks[:, :5], landmarks[:, 5:]
        assert ((x1 < xs) & (xs < x2)).all() and ((y1 < ys) & (ys < y2)).all()
        assert (xs[:, 0] < xs[:, 1]).all() and (xs[:, 3] < xs[:, 4]).all()
        assert (ys[:, :2] < ys[:, 2:3]).all() and (ys[:, 2:3] < ys[:, 3:]).all()

    @pytest.mark.parametrize("preset", PRESETS)
    def test_two_hundred_faces(self, preset: str, face: Image, detector: TrtMtcnn) -> None:
        tile = pictures.scaled(face, 100)
        img = pictures.tiled(tile, 10, 20)
        dets, _ = detector.detect(img, 30, preset=preset, max_size=None, max_rnet=10_000, max_onet=10_000)
        assert len(dets) == 200
        centres = (dets[:, :2] + dets[:, 2:4]) / 2
        cells = {(int(y // 100), int(x // 100)) for x, y in centres}
        assert len(cells) == 200

    def test_the_caps_of_the_port_are_its_own(self, face: Image, detector: TrtMtcnn) -> None:
        img = pictures.tiled(pictures.scaled(face, 70), 10, 18)
        assert len(detector.detect(img, 25)[0]) == 180
        assert len(detector.detect(img, 25, preset="port")[0]) <= 64

    def test_one_face_then_many(self, face: Image, engines: dict[str, Path]) -> None:
        # A known fault: buffers sized by an earlier picture lose the faces of the next.
        one = pictures.scaled(face, 150)
        many = pictures.tiled(pictures.scaled(face, 90), 4, 6)
        none = np.zeros((300, 300, 3), np.uint8)
        with TrtMtcnn(device="cpu") as fresh:
            alone = fresh.detect(many, 30)
        assert len(alone[0]) == 24
        with TrtMtcnn(device="cpu") as detector:
            for before in ([one], [none], [one, none, one], [many, one], [many]):
                for img in before:
                    detector.detect(img, 30)
                assert_same(detector.detect(many, 30), alone)

    def test_results_are_the_callers(self, astronaut: Image, face: Image, detector: TrtMtcnn) -> None:
        first = detector.detect(astronaut)
        kept = copy.deepcopy(first)
        detector.detect(pictures.tiled(face, 2, 2), 30)
        again = detector.detect(astronaut)
        assert_same(first, kept)
        first[0][:] = 0  # theirs to write in
        first[1][:] = 0
        assert_same(again, kept)
        assert_same(detector.detect(astronaut), kept)
        batch = detector.detect_batch([astronaut, astronaut])
        batch[0][0][:] = 0
        assert_near(batch[1], kept, pixels=0.01)

    def test_the_same_picture_gives_the_same_result(self, astronaut: Image, detector: TrtMtcnn) -> None:
        first = detector.detect(astronaut, 20)
        for _ in range(5):
            assert_same(detector.detect(astronaut, 20), first)

    def test_mixed_presets_do_not_disturb_each_other(self, astronaut: Image, face: Image, engines: Any) -> None:
        calls: list[tuple[Image, dict[str, Any]]] = [
            (astronaut, {"preset": "fast"}),
            (astronaut, {"preset": "port"}),
            (astronaut, {"resize": "bilinear"}),
            (astronaut, {"level_size": "floor"}),
            (astronaut, {"max_size": (200, 200)}),
            (astronaut[:300, :400], {"preset": "port"}),
            (pictures.tiled(face, 1, 2), {"minsize": 60}),
        ]
        alone = []
        for img, params in calls:
            with TrtMtcnn(device="cpu") as fresh:
                alone.append(fresh.detect(img, **params))
        with TrtMtcnn(device="cpu") as detector:
            for i in np.random.default_rng(0).integers(0, len(calls), 60):
                img, params = calls[i]
                assert_same(detector.detect(img, **params), alone[i])

    def test_a_failed_call_leaves_no_trace(self, astronaut: Image, detector: TrtMtcnn) -> None:
        before = detector.detect(astronaut)
        with pytest.raises(TypeError):
            detector.detect_batch([astronaut, None])
        with pytest.raises(ValueError, match="factor"):
            detector.detect(astronaut, factor=2)
        assert_same(detector.detect(astronaut), before)


class TestBatches:
    def test_as_one_by_one(self, astronaut: Image, face: Image, detector: TrtMtcnn) -> None:
        images = [astronaut, astronaut[:, :, 0], pictures.tiled(face, 1, 3), np.zeros((1, 1, 3), np.uint8), astronaut]
        results = detector.detect_batch(images, 40)
        assert [len(dets) for dets, _ in results] == [1, 1, 3, 0, 1]
        for img, found in zip(images, results, strict=True):
            assert_near(found, detector.detect(img, 40), pixels=0.01)

    def test_nothing(self, detector: TrtMtcnn) -> None:
        assert detector.detect_batch([]) == []

    def test_an_iterator_and_an_array(self, astronaut: Image, detector: TrtMtcnn) -> None:
        stack = np.stack([astronaut, astronaut[:, ::-1]])
        for images in (iter(stack), stack, tuple(stack)):
            assert [len(dets) for dets, _ in detector.detect_batch(images)] == [1, 1]

    @pytest.mark.parametrize(("threads", "limit"), [(1, "ONE_THREAD_BATCH_PIXELS"), (2, "BATCH_PIXELS")])
    def test_more_than_fits_in_one_go(
        self, threads: int, limit: str, engines: Any, astronaut: Image, monkeypatch: Any
    ) -> None:
        images = [astronaut, astronaut[:400], astronaut[:, 100:]] * 3
        with TrtMtcnn(device="cpu", threads=threads) as detector:
            monkeypatch.setattr(f"mtcnn.detector.{limit}", sum(img.size for img in images))
            whole = detector.detect_batch(images)
            monkeypatch.setattr(f"mtcnn.detector.{limit}", astronaut.shape[0] * astronaut.shape[1] + 1)
            parts = detector.detect_batch(iter(images))
        assert len(whole) == len(parts) == 9
        for a, b in zip(whole, parts, strict=True):
            assert_near(a, b, pixels=0.01)

    def test_an_iterator_is_read_as_needed_and_not_kept(self, astronaut: Image, detector: TrtMtcnn) -> None:
        made: list[weakref.ref[Image]] = []
        most = 0

        def images() -> Iterator[Image]:
            nonlocal most
            for i in range(40):
                img = astronaut[: 400 + i].copy()
                made.append(weakref.ref(img))
                most = max(most, sum(held() is not None for held in made))
                yield img

        assert [len(dets) for dets, _ in detector.detect_batch(images())] == [1] * 40
        assert most < 15

    def test_what_an_iterator_raises_comes_through(self, astronaut: Image, detector: TrtMtcnn) -> None:
        def images() -> Iterator[Image]:
            yield astronaut
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            detector.detect_batch(images())
        assert len(detector.detect(astronaut)[0]) == 1

    def test_the_picture_at_fault_is_named(self, astronaut: Image, detector: TrtMtcnn) -> None:
        with pytest.raises(ValueError, match=r"images\[17\] is empty"):
            detector.detect_batch([astronaut] * 17 + [astronaut[:0]] + [astronaut])

    @pytest.mark.slow
    def test_thousands_keep_their_order(self, astronaut: Image, face: Image, detector: TrtMtcnn) -> None:
        small = pictures.scaled(face, 60)
        kinds = [np.zeros((50, 70, 3), np.uint8), small, pictures.tiled(small, 1, 2)]
        order = np.random.default_rng(0).integers(0, 3, 2000)
        found = detector.detect_batch((kinds[i] for i in order), 30)
        assert [len(dets) for dets, _ in found] == order.tolist()


class TestLife:
    def test_close(self, astronaut: Image, engines: dict[str, Path]) -> None:
        detector = TrtMtcnn(device="cpu")
        assert len(detector.detect(astronaut)[0]) == 1
        detector.close()
        detector.close()
        for call in (detector.detect, lambda img: detector.detect_batch([img])):
            with pytest.raises(ClosedError, match="make a new TrtMtcnn"):
                call(astronaut)
        assert issubclass(ClosedError, MtcnnError)

    def test_with(self, astronaut: Image, engines: dict[str, Path]) -> None:
        with TrtMtcnn(device="cpu") as detector:
            assert len(detector.detect(astronaut)[0]) == 1
        with pytest.raises(ClosedError):
            detector.detect(astronaut)
        with pytest.raises(ZeroDivisionError), TrtMtcnn(device="cpu") as detector:
            raise ZeroDivisionError
        with pytest.raises(ClosedError):
            detector.detect(astronaut)

    def test_closing_one_leaves_the_others(self, astronaut: Image, detector: TrtMtcnn) -> None:
        before = detector.detect(astronaut)
        with TrtMtcnn(device="cpu") as other:
            other.detect(astronaut)
        assert_same(detector.detect(astronaut), before)

    @pytest.mark.parametrize("params", [{}, {"preset": "port", "minsize": 30, "thresholds": (0.5, 0.6, 0.65)}])
    def test_pickle(self, params: dict[str, Any], astronaut: Image, engines: dict[str, Path]) -> None:
        paths = [engines[net] for net in ("pnet", "rnet", "onet")]
        choices: list[dict[str, Any]] = [{}, {"engines": paths, "threads": 1}]
        for given in choices:
            with TrtMtcnn(device="cpu", **given, **params) as detector, pickle.loads(pickle.dumps(detector)) as other:
                assert other.params == detector.params
                assert repr(other) == repr(detector)
                assert_same(other.detect(astronaut), detector.detect(astronaut))

    def test_repr_is_how_to_make_it(self, engines: dict[str, Path]) -> None:
        with TrtMtcnn(device="cpu", preset="port", minsize=30) as detector:
            assert repr(detector) == "TrtMtcnn(device='cpu', preset='port', threads=0, minsize=30)"

    def test_a_child_process_makes_its_own(self) -> None:
        # A fork of a process that has imported everything and made nothing.
        code = """
import os
import cv2, mtcnn, mtcnn.detector, pytrt
child = os.fork()
if child == 0:
    dets, _ = mtcnn.TrtMtcnn(device='cpu').detect(cv2.imread("docs/images/astronaut.jpg"))
    os._exit(len(dets))
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 1

    def test_a_process_forked_from_a_detecting_one_detects(self) -> None:
        code = """
import os
import cv2, mtcnn
img = cv2.imread("docs/images/astronaut.jpg")
detector = mtcnn.TrtMtcnn(device="cpu", threads=3)
detector.detect(img)
child = os.fork()
if child == 0:
    found = len(detector.detect(img)[0]) + len(mtcnn.TrtMtcnn(device="cpu", threads=2).detect(img)[0])
    del detector
    os._exit(found)
_, status = os.waitpid(child, 0)
assert len(detector.detect(img)[0]) == 1  # the parent goes on
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 2
