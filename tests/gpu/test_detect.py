"""Detections on the GPU beside the CPU's."""

from __future__ import annotations

import unittest
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.gpu import frames
from tests.gpu.machine import (
    BOUNDS,
    DATA,
    EMULATED,
    QUICK,
    Faces,
    GpuTest,
    Variant,
    assert_same,
    carried_results,
    compare,
    detector,
    each_variant,
    each_variant_in_fp32,
    expected_faces,
    expected_results,
    in_gpu_memory,
    key_of,
    make_detector,
    needed,
    photos,
    wider,
)
from tests.support.dlpack_array import FLOAT, Lender

PHOTOS = photos()
WIDER = wider()
PRESETS = ("fast", "port", "accurate")
if QUICK:
    PHOTOS, WIDER = PHOTOS[:2], WIDER[:3]


class Record(dict[str, float]):
    """The largest differences of a test, said at its end."""

    def add(self, variant: Variant, faces: int, apart: tuple[float, float, float]) -> None:
        for name, value in zip(("boxes", "scores", "landmarks"), apart, strict=True):
            key = f"{variant.flavour} {variant.precision} {name}"
            self[key] = max(self.get(key, 0), value)
        self[f"{variant.flavour} {variant.precision} faces"] = (
            self.get(f"{variant.flavour} {variant.precision} faces", 0) + faces
        )

    def say(self, title: str) -> None:
        print(
            f"note: largest differences, {title}: " + ", ".join(f"{name} {value:.2g}" for name, value in self.items())
        )


@cache
def from_cpu(path: str, minsize: float, preset: str) -> Faces:
    carried = carried_results().get(key_of(Path(path).name, minsize, preset))
    return carried or expected_faces(frames.read(path), minsize, preset)


def least(params: dict[str, Any]) -> float:
    return float(params.get("thresholds", (0, 0, 0.7))[2])


class TestExpected(GpuTest):
    @each_variant
    def test_frames(self, variant: Variant) -> None:
        """What the CPU path found when expected.json was made: needs nothing beside the project."""
        record = Record()
        for entry in expected_results():
            found = detector(variant).detect(frames.FRAMES[entry["frame"]](), entry["minsize"], preset=entry["preset"])
            expected = (np.array(entry["dets"], np.float32), np.array(entry["landmarks"], np.float32))
            what = f"{entry['frame']}, {entry['preset']}, minsize {entry['minsize']}"
            with self.subTest(frame=what, precision=variant.precision):
                bounds = BOUNDS[variant.precision]
                if entry["preset"] == "port":  # whole pixels: the last bit may turn one into the next
                    bounds = bounds._replace(boxes=bounds.boxes + 1, landmarks=bounds.landmarks + 1)
                record.add(variant, len(found[0]), compare(found, expected, bounds, 0.7))
        record.say("expected.json")


class TestLabelledPictures(GpuTest):
    @unittest.skipUnless(PHOTOS, f"no photos in {DATA}: set TRT_MTCNN_DATA to the folder of labelled data")
    @each_variant
    def test_photos(self, variant: Variant) -> None:
        self.compare_files(variant, [str(path) for path in PHOTOS], PRESETS, "photos")

    @unittest.skipUnless(WIDER, f"no wider100 in {DATA}: set TRT_MTCNN_DATA to the folder of labelled data")
    @each_variant
    def test_wider(self, variant: Variant) -> None:
        self.compare_files(variant, [str(path) for path in WIDER], ("fast",), "wider100")

    def compare_files(self, variant: Variant, paths: list[str], presets: tuple[str, ...], title: str) -> None:
        record = Record()
        for path in paths:
            img = frames.read(path)
            for preset in presets:
                found = detector(variant).detect(img, 40, preset=preset)
                with self.subTest(path=path, preset=preset, precision=variant.precision):
                    bounds = BOUNDS[variant.precision]
                    if preset == "port":
                        bounds = bounds._replace(boxes=bounds.boxes + 1, landmarks=bounds.landmarks + 1)
                    record.add(variant, len(found[0]), compare(found, from_cpu(path, 40, preset), bounds, 0.7))
        record.say(title)


class TestBesideCpu(GpuTest):
    def check(self, variant: Variant, img: frames.Image, minsize: float, preset: str, **params: Any) -> int:
        found = detector(variant).detect(img, minsize, preset=preset, **params)
        expected = expected_faces(img, minsize, preset, **params)
        with self.subTest(size=img.shape, minsize=minsize, preset=preset, precision=variant.precision, **params):
            compare(found, expected, BOUNDS[variant.precision], least(params))
        return len(found[0])

    @each_variant_in_fp32
    def test_shapes(self, variant: Variant) -> None:
        rng = np.random.default_rng(0)
        photo = frames.astronaut()
        for _ in range(4 if QUICK else 25):
            height, width = rng.integers(13, 420, 2)
            top, left = rng.integers(0, 512 - height), rng.integers(0, 512 - width)
            self.check(variant, photo[top : top + height, left : left + width], float(rng.uniform(12, 60)), "fast")

    @each_variant_in_fp32
    def test_borders(self, variant: Variant) -> None:
        """Faces half outside: what R-Net and O-Net see there is black."""
        photo = frames.astronaut()
        cuts = [photo[100:], photo[:, 220:], photo[:150], photo[:, :230], photo[90:200, 200:260]]
        for img in cuts:
            self.check(variant, img, 30, "fast", thresholds=(0.3, 0.3, 0.3))

    @each_variant_in_fp32
    def test_parameters(self, variant: Variant) -> None:
        photo = frames.astronaut()[20:260, 120:380]
        changes: list[dict[str, Any]] = [
            {"factor": 0.9},
            {"resize": "bilinear"},
            {"nms_boxes": "regressed"},
            {"whole_pixels": False, "level_size": "floor"},
            {"nms_thresholds": (0.2, 0.3, 0.4, 0.3)},
            {"max_rnet": 5},
            {"max_onet": 1},
            {"max_size": (120, 120)},
        ]
        for params in changes:
            self.check(variant, photo, 24, "fast", **params)

    @each_variant_in_fp32
    def test_more_candidates_than_caps_and_room(self, variant: Variant) -> None:
        """Nearly every cell proposes: the backend makes room for more than it had at first, then caps them."""
        img = frames.noise(160, 150) if QUICK else frames.noise(400, 500)
        low: dict[str, Any] = {"thresholds": (0, 0.6, 0.3), "max_rnet": 300, "max_onet": 100}
        self.check(variant, img, 12, "fast", **low)
        self.check(variant, frames.astronaut()[:200, 100:330], 20, "fast", **low)


class TestItself(GpuTest):
    """What the GPU says beside what it says another time."""

    @each_variant
    def test_no_faces(self, variant: Variant) -> None:
        for size in [(1, 1), (1, 50), (11, 11), (12, 12), (12, 700), (900, 12), (60, 80)]:
            for img in (np.zeros((*size, 3), np.uint8), frames.noise(*size)):
                for preset in PRESETS:
                    dets, landmarks = detector(variant).detect(img, preset=preset)
                    self.assertEqual((dets.shape, landmarks.shape), ((0, 5), (0, 10)))
                    self.assertEqual((dets.dtype, landmarks.dtype), (np.float32, np.float32))
        # Every stage may be the one that leaves nothing.
        for thresholds in [(1, 0.7, 0.7), (0.6, 1, 0.7), (0.6, 0.7, 1)]:
            dets, _ = detector(variant).detect(frames.astronaut(), thresholds=thresholds)
            self.assertEqual(dets.shape, (0, 5))
        self.assertEqual(len(detector(variant).detect(frames.astronaut())[0]), 1)

    @each_variant
    def test_again_and_again(self, variant: Variant) -> None:
        """The same frame is the same result, though from its second time on the work is a recorded CUDA graph."""
        sequence = [frames.frame_720p(), frames.astronaut(), frames.gradient()]
        one = make_detector(variant)
        for preset in PRESETS:
            first = [one.detect(img, preset=preset) for img in sequence]
            for _ in range(2 if EMULATED else 5):
                for img, faces in zip(sequence, first, strict=True):
                    assert_same(one.detect(img, preset=preset), faces)
            for img, faces in zip(sequence, first, strict=True):
                for _ in range(2 if EMULATED else 5):
                    assert_same(one.detect(img, preset=preset), faces)
            # Other pixels in a frame of a known size.
            turned = np.ascontiguousarray(frames.astronaut()[:, ::-1])
            assert_same(one.detect(turned, preset=preset), make_detector(variant).detect(turned, preset=preset), 1e-4)
        one.close()

    @each_variant
    def test_settings_changed_between_calls(self, variant: Variant) -> None:
        photo = frames.astronaut()
        settings: list[dict[str, Any]] = [
            {"thresholds": (0.6, 0.7, 0.7)},
            {"thresholds": (0.9, 0.9, 0.9)},
            {"nms_thresholds": (0.3, 0.3, 0.3, 0.3)},
            {"max_rnet": 3},
            {"preset": "port"},
            {"resize": "bilinear"},
        ]
        fresh = [make_detector(variant).detect(photo, **params) for params in settings]
        for _ in range(2 if QUICK else 4):
            for params, faces in zip(settings, fresh, strict=True):
                assert_same(detector(variant).detect(photo, **params), faces)

    @each_variant
    def test_batches(self, variant: Variant) -> None:
        images = [
            frames.astronaut(),
            frames.noise(90, 210),
            np.zeros((1, 1, 3), np.uint8),
            frames.frame_720p(),
            frames.astronaut()[:, 100:300],
            frames.portrait(),
            frames.astronaut(),
        ]
        alone = [detector(variant).detect(img) for img in images]
        for _ in range(1 if QUICK else 3):
            for faces, expected in zip(detector(variant).detect_batch(images), alone, strict=True):
                compare(faces, expected, BOUNDS[variant.precision], 0.7)  # other canvases may take other kernels
        self.assertEqual([len(dets) for dets, _ in alone], [1, 0, 0, 8, 1, 6, 1])

    @each_variant
    def test_rows_that_lie_apart(self, variant: Variant) -> None:
        part = frames.astronaut()[10:300, 100:400]
        assert_same(detector(variant).detect(part), detector(variant).detect(np.ascontiguousarray(part)), atol=0)


@unittest.skipIf(EMULATED, "emulated: there is no GPU memory")
class TestPicturesOnTheGpu(GpuTest):
    """Arrays of torch, CuPy and others, used where they are."""

    @each_variant
    def test_dlpack(self, variant: Variant) -> None:
        wide = np.zeros((512, 700, 3), np.uint8)
        wide[:, 100:612] = frames.astronaut()
        here = detector(variant).detect(frames.astronaut())
        with in_gpu_memory(wide) as address:
            for version in (None, (1, 0)):
                there: Any = Lender(address, (512, 512, 3), (2100, 3, 1), byte_offset=300, version=version)
                for calls in range(1, 4):
                    assert_same(detector(variant).detect(there), here)
                    self.assertEqual(there.given_back, calls)
                self.assertTrue(all(stream > 2 for stream in there.streams))  # a stream of our own
            with self.assertRaises(ValueError):
                wrong: Any = Lender(address, (512, 512, 3), dtype=(FLOAT, 32))
                detector(variant).detect(wrong)

    @each_variant
    def test_cupy(self, variant: Variant) -> None:
        cupy = needed(self, "cupy")
        photo = frames.astronaut()
        here = detector(variant).detect(photo)
        there = cupy.asarray(photo)
        for _ in range(4):
            assert_same(detector(variant).detect(there), here)
        with cupy.cuda.Stream(non_blocking=True):
            late = cupy.zeros_like(there)
            for _ in range(50):  # enough work that a reader that does not wait sees zeros
                late = cupy.asarray(photo) + late * 0
            assert_same(detector(variant).detect(late), here)
        wide = cupy.zeros((512, 700, 3), cupy.uint8)
        wide[:, 100:612] = there
        assert_same(detector(variant).detect(wide[:, 100:612]), here)
        with self.assertRaises(ValueError):
            detector(variant).detect(there.astype(cupy.float32))

    @each_variant
    def test_torch(self, variant: Variant) -> None:
        torch = needed(self, "torch")
        if not torch.cuda.is_available():
            self.skipTest("this PyTorch has no CUDA")
        photo = frames.astronaut()
        here = detector(variant).detect(photo)
        there = torch.from_numpy(photo.copy()).cuda()
        for _ in range(4):
            assert_same(detector(variant).detect(there), here)
        mixed = detector(variant).detect_batch([there, photo, there])
        for faces in mixed:
            compare(faces, here, BOUNDS[variant.precision], 0.7)


if __name__ == "__main__":
    unittest.main()
