"""The GPU backend's code, its kernels run as loops on the CPU, beside the CPU backend: the same faces.

Each test runs plainly and on the model of a GPU and its streams, which does everything later. What neither can show is
left to tests/gpu: that the kernels are right when thousands of threads run them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import TrtMtcnn
from mtcnn.engines import NETWORKS, load_engine
from mtcnn.engines.libraries import openvino_library
from mtcnn.params import PRESETS
from pytrt import testing
from tests.support import pictures
from tests.support.emulated import MODES, emulated_detector, emulated_gpu

Image = NDArray[np.uint8]
Faces = tuple[NDArray[np.float32], NDArray[np.float32]]

TOLERANCE = 1e-3  # pixels, scores
FIRST_CAPACITY = 8192  # boxes that the GPU backend has room for at first


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    mode: str = request.param
    return mode


@pytest.fixture(scope="module")
def gpu(engines: Any, mode: str) -> Iterator[TrtMtcnn]:
    """One for all tests, so that each finds what others left in its memory."""
    with emulated_detector(mode) as shared:
        yield shared


def assert_same(ours: Faces, theirs: Faces, tolerance: float = TOLERANCE) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype == np.float32
        assert a.shape == b.shape
    np.testing.assert_allclose(ours[0][:, 4], theirs[0][:, 4], rtol=0, atol=tolerance)
    # Faces that look the same may change places: their scores differ by rounding alone.
    order = np.abs(ours[0][:, np.newaxis] - theirs[0]).max(axis=2, initial=0).argmin(axis=0) if len(ours[0]) else []
    assert sorted(order) == list(range(len(ours[0])))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a[order], b, rtol=0, atol=tolerance)


def assert_agree(gpu: TrtMtcnn, detector: TrtMtcnn, img: Image, minsize: float, preset: str, **params: Any) -> int:
    """Detects on both, compares, and returns the number of faces."""
    ours = gpu.detect(img, minsize, preset=preset, **params)
    # A shrunk picture is rounded to whole levels, and halves may go either way.
    tolerance = 20 * TOLERANCE if "max_size" in params else TOLERANCE
    assert_same(ours, detector.detect(img, minsize, preset=preset, **params), tolerance)
    return len(ours[0])


@pytest.fixture(scope="module")
def mixed(astronaut: Image, face: Image) -> list[Image]:
    canvas = pictures.noise(300, 420, grain=30, seed=3)
    for side, x, y in [(40, 5, 5), (60, 60, 5), (90, 150, 5), (140, 260, 5), (180, -40, 150), (120, 350, 200)]:
        pictures.paste(canvas, pictures.scaled(face, side), x, y)
    return [
        astronaut,
        canvas,
        np.zeros((1, 1, 3), np.uint8),
        pictures.noise(90, 210),
        pictures.tiled(pictures.scaled(face, 96), 2, 4),
        astronaut[:, 150:300],
        np.zeros((120, 160, 3), np.uint8),
        pictures.scaled(face, 61),
    ]


def test_is_the_gpus_code(gpu: TrtMtcnn, detector: TrtMtcnn) -> None:
    assert isinstance(gpu._device, testing.EmulatedGpu)
    assert not isinstance(detector._device, testing.EmulatedGpu)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("minsize", [20, 40, 90])
def test_pictures(minsize: float, preset: str, gpu: TrtMtcnn, detector: TrtMtcnn, mixed: list[Image]) -> None:
    faces = [assert_agree(gpu, detector, img, minsize, preset) for img in mixed]
    assert sum(faces) >= (2 if minsize == 90 else 9)
    assert faces[2] == faces[3] == faces[6] == 0


@pytest.mark.parametrize("preset", PRESETS)
def test_mixed_batch(preset: str, gpu: TrtMtcnn, detector: TrtMtcnn, mixed: list[Image]) -> None:
    ours = gpu.detect_batch(mixed, 30, preset=preset)
    theirs = detector.detect_batch(mixed, 30, preset=preset)
    alone = [gpu.detect(img, 30, preset=preset) for img in mixed]
    for a, b, c in zip(ours, theirs, alone, strict=True):
        assert_same(a, b)
        assert_same(a, c)
    assert sum(len(dets) for dets, _ in ours) >= 12


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "img",
    [
        pictures.noise(120, 160),
        pictures.noise(101, 203, grain=8),
        pictures.gradient(150, 133),
        pictures.checkerboard(100, 143, 17),
        np.full((60, 90, 3), 255, np.uint8),
        pictures.noise(200, 13, grain=4),
        pictures.noise(12, 300, grain=4),
        pictures.noise(12, 12),
        pictures.noise(1, 1),
        pictures.noise(1, 50),
    ],
    ids=lambda img: "{}x{}".format(*img.shape),
)
def test_synthetic_pictures(img: Image, preset: str, gpu: TrtMtcnn, detector: TrtMtcnn) -> None:
    assert_agree(gpu, detector, img, 12, preset)
    # With thresholds this low, boxes of all kinds reach every stage; many reach beyond the picture.
    assert_agree(gpu, detector, img, 14, preset, thresholds=(0.05, 0.1, 0.05), max_rnet=150, max_onet=60)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.slow
def test_more_candidates_than_there_is_room_for(
    preset: str, mode: str, gpu: TrtMtcnn, detector: TrtMtcnn, face: Image
) -> None:
    """The backend notices, makes room, and runs the stage again."""
    img = pictures.noise(160, 150, grain=2, seed=7)
    pictures.paste(img, pictures.scaled(face, 80), 40, 50)
    cells = 0
    side = min(img.shape[:2])
    scale = 1.0
    while side * scale >= 12:
        cells += int((img.shape[0] * scale - 12) // 2 + 1) * int((img.shape[1] * scale - 12) // 2 + 1)
        scale *= 0.709
    assert cells > FIRST_CAPACITY
    assert_agree(gpu, detector, img, 40, preset)
    caps = {"max_rnet": 120, "max_onet": 40}
    nms = (0.9, 0.9, 0.9, 0.7)  # more than the first capacity is left after some suppression, too
    assert_agree(gpu, detector, img, 12, preset, thresholds=(0, 0.2, 0.1), nms_thresholds=nms, **caps)
    assert_agree(gpu, detector, img, 40, preset)
    if preset == "fast":
        with emulated_detector(mode) as fresh:  # whose first call it is
            assert_agree(fresh, detector, img, 12, preset, thresholds=(0, 0.2, 0.1), **caps)


@pytest.mark.slow
def test_more_candidates_than_a_gpu_takes(engines: dict[str, Any]) -> None:
    """Refused before their suppression, and the next call finds what it should."""
    stages = pytrt.Stages(device := emulated_gpu(), *(load_engine(engines[network], device) for network in NETWORKS))
    img = pictures.noise(60, 60)
    stages.load([img], [(60, 60)])
    with pytest.raises(ValueError, match=r"^P-Net proposes 2235025 boxes, .* raise thresholds\[0\] or minsize"):
        stages.pnet([(0, 3000, 3000, 50.0, 50.0)], 0.0, 0.5, 0.7, 1000)
    assert len(stages.boxes()[0]) == 0
    assert stages.pnet([(0, 60, 60, 1.0, 1.0)], 0.0, 0.5, 0.7, 1000) > 1
    stages.unload()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("caps", [{"max_rnet": 5}, {"max_onet": 2}, {"max_rnet": 1, "max_onet": 1}])
def test_caps(caps: dict[str, Any], preset: str, gpu: TrtMtcnn, detector: TrtMtcnn, mixed: list[Image]) -> None:
    for img in (mixed[1], mixed[4]):
        assert_agree(gpu, detector, img, 25, preset, **caps)
    batch = [mixed[1], mixed[0], mixed[4]]
    for a, b in zip(gpu.detect_batch(batch, 25, **caps), detector.detect_batch(batch, 25, **caps), strict=True):
        assert_same(a, b)


@pytest.mark.parametrize(
    "params",
    [
        {"whole_pixels": True, "resize": "area"},
        {"whole_pixels": True, "resize": "area", "nms_boxes": "regressed"},
        {"factor": 0.9},
        {"factor": 0.3},
        {"resize": "bilinear"},
        {"nms_boxes": "regressed"},
        {"level_size": "floor"},
        {"nms_thresholds": (0.2, 0.3, 0.4, 0.3)},
        {"thresholds": (0.99999, 0.7, 0.7)},
        {"thresholds": (0.6, 0.99999, 0.7)},
        {"thresholds": (0.6, 0.7, 0.999999)},
        {"max_size": (150, 200)},
        {"max_size": (150, 200), "resize": "bilinear"},
    ],
    ids=lambda params: ", ".join(f"{k}={v}" for k, v in params.items()),
)
def test_parameters(params: dict[str, Any], gpu: TrtMtcnn, detector: TrtMtcnn, mixed: list[Image]) -> None:
    for img in mixed[:2]:
        assert_agree(gpu, detector, img, 30, "fast", **params)


@pytest.mark.parametrize("size", [(30, 30), (64, 100), (200, 31), (97, 1023), (333, 250), (480, 640)])
def test_sizes(size: tuple[int, int], gpu: TrtMtcnn, detector: TrtMtcnn, face: Image) -> None:
    img = pictures.gradient(*size)
    pictures.paste(img, pictures.scaled(face, int(0.8 * min(size))), 3, 2)
    for preset in PRESETS:
        assert_agree(gpu, detector, img, 24, preset)


def test_rows_that_lie_apart(gpu: TrtMtcnn, detector: TrtMtcnn, astronaut: Image) -> None:
    """Part of a picture, its rows not next to each other in memory, is what the same pixels by themselves are."""
    part = astronaut[10:200, 150:330]
    assert not part.flags.c_contiguous
    assert_same(gpu.detect(part), detector.detect(np.ascontiguousarray(part)))
    assert len(gpu.detect(part)[0]) == 1


def test_the_same_levels_of_other_pictures(gpu: TrtMtcnn, detector: TrtMtcnn, face: Image) -> None:
    """What is kept for pictures of the same levels is not used where their size or the way of resizing differs."""
    sizes = []
    for side, resize in [(100, "area"), (101, "area"), (101, "bilinear"), (100, "bilinear"), (100, "area")]:
        img = pictures.noise(side, side, grain=5, seed=side)
        pictures.paste(img, pictures.scaled(face, 70), 15, 20)
        assert_agree(gpu, detector, img, 40, "port", resize=resize, thresholds=(0.02, 0.1, 0.1), max_onet=20)
        sizes.append([int(side * 0.3 * 0.709**i) for i in range(3)])
    assert sizes[1:] == sizes[:-1]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_picture_that_is_sent_in_pieces(threads: int, mode: str, detector: TrtMtcnn, face: Image) -> None:
    img = pictures.gradient(1100, 1001)
    for i in range(5):
        pictures.paste(img, pictures.scaled(face, 150), 190 * i + 11, 220 * i + 7)
    wide = np.zeros((1100, 1100, 3), np.uint8)
    wide[:, 50:-49] = img
    with emulated_detector(mode, threads=threads) as gpu:
        whole = gpu.detect(img, 100)
        assert_same(whole, detector.detect(img, 100))
        assert_same(whole, gpu.detect(wide[:, 50:-49], 100))  # whose rows lie apart
        assert_same(gpu.detect(img[::-1], 100), detector.detect(img[::-1], 100))
    assert len(whole[0]) == 5


def test_each_stage(mode: str, engines: dict[str, Any], astronaut: Image) -> None:
    """Not only the end: the boxes after every stage."""
    cpu = pytrt.CpuDevice(openvino_library(), 1)
    emulated = emulated_gpu(mode)
    sets = []
    for device in (cpu, emulated):
        nets = [load_engine(engines[network], device, network) for network in NETWORKS]
        stages = pytrt.Stages(device, *nets)
        stages.load([astronaut], [astronaut.shape[:2]])
        levels = [(0, int(512 * s), int(512 * s), int(512 * s) / 512, int(512 * s) / 512) for s in (0.3, 0.2, 0.1)]
        found = [stages.pnet(levels, 0.6, 0.5, 0.7, 1000)]
        steps = [stages.boxes()]
        found.append(stages.rnet(0.7, 0.7, 1000))
        steps.append(stages.boxes())
        found.append(stages.onet(0.7, 0.7))
        steps.append(stages.boxes())
        stages.unload()
        sets.append((found, steps))
    (found, steps), (gpu_found, gpu_steps) = sets
    assert found == gpu_found
    assert found[0] > found[1] >= found[2] >= 1
    for ours, theirs in zip(gpu_steps, steps, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE)


def test_squares_without_a_pixel(mode: str, engines: dict[str, Any], face: Image) -> None:
    """A square a tenth as large as a box of a few pixels may have none: fewer crops than boxes."""
    sets = []
    for device in (pytrt.CpuDevice(openvino_library(), 1), emulated_gpu(mode)):
        stages = pytrt.Stages(device, *(load_engine(engines[network], device, network) for network in NETWORKS))
        img = pictures.scaled(face, 60)
        stages.load([img], [img.shape[:2]], whole_pixels=True)
        # As if these 60 pixels were a level of a picture that is shown four times as large.
        found = stages.pnet([(0, 60, 60, 4.0, 4.0)], 0.0, 1.0, 1.0, 40), stages.rnet(0.0, 1.0, 40)
        found += (stages.onet(0.0, 1.0, tta_scales=[0.1, 1.0]),)
        sets.append((found, stages.boxes()))
        stages.unload()
    (found, boxes), (gpu_found, gpu_boxes) = sets
    assert found == gpu_found and found[2] > 1
    for a, b in zip(boxes, gpu_boxes, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE)
