"""The native cascade beside the plain one in tests/reference: the same faces, in every preset, on every picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mtcnn import TrtMtcnn
from tests.conftest import DATA, need, read_picture
from tests.reference import cascade
from tests.reference.params import PRESETS
from tests.support import pictures

pytestmark = pytest.mark.slow

Image = NDArray[np.uint8]
Array = NDArray[np.float32]
Faces = tuple[Array, Array]
Check = Callable[..., Faces]

BOXES, SCORES, LANDMARKS = 1.0, 1e-3, 1.0  # pixels, score, pixels: what may differ

PHOTOS = sorted(path.name for path in DATA.glob("photos/*.jpg")) or ["2007_007763.jpg"]
# Fifty of the hundred, evenly spread over the events that their names start with.
WIDER = sorted(path.name for path in DATA.glob("wider100/images/*"))[::2] or ["a photo of wider100"]
CROWD_FRAMES = (0, 52, 104)


def differences(ours: Faces, theirs: Faces) -> tuple[float, float, float]:
    """The largest differences of boxes, scores and landmarks between two results, face by face."""
    (dets, marks), (ref_dets, ref_marks) = ours, theirs
    assert dets.dtype == marks.dtype == np.float32
    assert dets.shape == ref_dets.shape and marks.shape == ref_marks.shape == (len(dets), 10)
    assert (np.diff(dets[:, 4]) <= 0).all()
    if len(dets) == 0:
        return 0, 0, 0
    # Scores that are nearly equal may change places.
    apart = np.abs(dets[:, np.newaxis] - ref_dets).max(axis=2)
    order = apart.argmin(axis=0)
    assert sorted(order) == list(range(len(dets)))
    dets, marks = dets[order], marks[order]
    boxes = float(np.abs(dets[:, :4] - ref_dets[:, :4]).max())
    scores = float(np.abs(dets[:, 4] - ref_dets[:, 4]).max())
    return boxes, scores, float(np.abs(marks - ref_marks).max())


@pytest.fixture
def agree(detector: TrtMtcnn, record_differences: Callable[..., None]) -> Check:
    """Detect both ways, compare, and return the native result."""

    def check(img: Image, minsize: float, preset: str, **params: Any) -> Faces:
        ours = detector.detect(img, minsize, preset=preset, **params)
        boxes, scores, landmarks = differences(ours, cascade.detect(img, minsize, preset, **params))
        record_differences(preset, faces=len(ours[0]), boxes=boxes, scores=scores, landmarks=landmarks)
        assert boxes <= BOXES and scores <= SCORES and landmarks <= LANDMARKS
        return ours

    return check


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", PHOTOS)
def test_photos(name: str, preset: str, agree: Check) -> None:
    img = read_picture(DATA / "photos" / name)
    assert len(agree(img, 40, preset)[0]) >= 1
    if img.shape[0] * img.shape[1] < 600_000:
        assert len(agree(img, 20, preset)[0]) >= 1


@pytest.fixture(scope="module")
def crowd() -> dict[int, Image]:
    video = cv2.VideoCapture(str(need(DATA / "photos" / "crowd-1080p.mp4")))
    frames = {}
    for i in range(max(CROWD_FRAMES) + 1):
        found, frame = video.read()
        assert found
        if i in CROWD_FRAMES:
            frames[i] = np.asarray(frame, np.uint8)
    video.release()
    return frames


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("frame", CROWD_FRAMES)
def test_video(frame: int, preset: str, crowd: dict[int, Image], agree: Check) -> None:
    dets, _ = agree(crowd[frame], 40, preset)
    assert len(dets) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("i", range(len(WIDER)))
def test_wider(i: int, agree: Check) -> None:
    img = read_picture(DATA / "wider100" / "images" / WIDER[i])
    for preset in PRESETS:
        agree(img, 20, preset)


MADE_UP = {
    "noise": pictures.noise(240, 320),
    "coarse noise": pictures.noise(301, 203, grain=8),
    "gradient": pictures.gradient(250, 333),
    "fine checkerboard": pictures.checkerboard(200, 200, 3),
    "checkerboard": pictures.checkerboard(161, 243, 17),
    "black": np.zeros((120, 160, 3), np.uint8),
    "white": np.full((120, 160, 3), 255, np.uint8),
    "narrow": pictures.noise(500, 13, grain=4),
    "flat": pictures.noise(12, 700, grain=4),
    "smallest": pictures.noise(12, 12),
}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", MADE_UP)
def test_pictures_without_faces(name: str, preset: str, agree: Check) -> None:
    agree(MADE_UP[name], 12, preset)
    # With thresholds this low, boxes of all kinds reach every stage; many reach beyond the picture.
    agree(MADE_UP[name], 16, preset, thresholds=(0.1, 0.1, 0.05), max_rnet=300, max_onet=100)


@pytest.mark.parametrize("preset", PRESETS)
def test_faces_of_many_sizes(preset: str, face: Image, agree: Check) -> None:
    canvas = pictures.noise(700, 900, grain=60, seed=1)
    for side, x, y in [(40, 10, 10), (60, 100, 10), (90, 200, 10), (140, 320, 10), (230, 500, 10), (420, 20, 260)]:
        pictures.paste(canvas, pictures.scaled(face, side), x, y)
    dets, _ = agree(canvas, 20, preset)
    assert len(dets) >= 5


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("x", "y"), [(-60, 40), (300, 40), (140, -50), (140, 230), (-50, -40), (310, 220)])
@pytest.mark.slow
def test_faces_over_the_border(x: int, y: int, preset: str, face: Image, agree: Check) -> None:
    canvas = pictures.gradient(350, 420)
    pictures.paste(canvas, pictures.scaled(face, 180), x, y)
    agree(canvas, 30, preset)
    agree(canvas, 30, preset, thresholds=(0.3, 0.3, 0.1))


@pytest.mark.parametrize("preset", PRESETS)
def test_many_faces(preset: str, face: Image, agree: Check) -> None:
    dets, _ = agree(pictures.tiled(pictures.scaled(face, 96), 5, 7), 30, preset)
    assert len(dets) == 35


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", [(900, 1500), (1500, 900), (721, 1281), (200, 2000)])
@pytest.mark.slow
def test_shrunk_pictures(size: tuple[int, int], preset: str, face: Image, agree: Check) -> None:
    canvas = pictures.gradient(*size)
    pictures.paste(canvas, pictures.scaled(face, 180), 120, 10)
    agree(canvas, 40, preset, max_size=(720, 1280))
    agree(canvas, 50, preset, max_size=(300, 400))


@pytest.mark.filterwarnings("ignore::mtcnn.UnusedParameterWarning")
@given(data=st.data())
@settings(max_examples=40)
def test_any_parameters(data: st.DataObject, astronaut: Image, detector: TrtMtcnn) -> None:
    unit = st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])
    params: dict[str, Any] = {
        "factor": data.draw(st.sampled_from([0.3, 0.5, 0.709, 0.8, 0.9])),
        "thresholds": data.draw(st.tuples(st.sampled_from([0.3, 0.6, 0.9]), unit, unit)),
        "nms_thresholds": data.draw(st.tuples(unit, unit, unit, unit)),
        "max_rnet": data.draw(st.sampled_from([1, 20, 10_000])),
        "max_onet": data.draw(st.sampled_from([1, 10, 10_000])),
        "max_size": data.draw(st.sampled_from([None, (200, 200), (150, 1000)])),
        "level_size": data.draw(st.sampled_from(["ceil", "floor"])),
        "nms_boxes": data.draw(st.sampled_from(["window", "regressed"])),
        "whole_pixels": data.draw(st.booleans()),
        "resize": data.draw(st.sampled_from(["area", "bilinear"])),
        "mirror": data.draw(st.booleans()),
        "mirror_first": data.draw(st.booleans()),
        "mirror_range": data.draw(st.sampled_from([(0.0, 1.0), (0.1, 0.9), (0.0, 0.5), (0.5, 1.0), (0.3, 0.3)])),
        "second_pass": data.draw(st.booleans()),
        "second_pass_scales": data.draw(st.sampled_from([(1.0,), (0.8, 1.0), (1.3, 0.9, 1.0)])),
        "tight_landmarks": data.draw(st.booleans()),
        "average_scores": data.draw(st.booleans()),
        "average_above": data.draw(st.sampled_from([0.0, 0.3, 0.6, 1.0])),
        "vote": data.draw(st.sampled_from([0.0, 0.2, 0.5])),
    }
    minsize = data.draw(st.floats(20, 120))
    left, top = data.draw(st.integers(0, 200)), data.draw(st.integers(0, 200))
    img = astronaut[top : top + data.draw(st.integers(60, 312)), left : left + data.draw(st.integers(60, 312))]
    ours = detector.detect(img, minsize, **params)
    boxes, scores, landmarks = differences(ours, cascade.detect(img, minsize, "fast", **params))
    assert boxes <= BOXES and scores <= SCORES and landmarks <= LANDMARKS


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("minsize", [4, 7.3, 10])
@pytest.mark.slow
def test_enlarged_pictures(minsize: float, preset: str, face: Image, agree: Check) -> None:
    """Faces smaller than what P-Net sees: boxes are in the picture's own pixels all the same."""
    canvas = pictures.gradient(50, 70)
    for side, x, y in [(11, 5, 5), (15, 40, 8)]:
        pictures.paste(canvas, pictures.scaled(face, side), x, y)
    dets, _ = agree(canvas, minsize, preset, thresholds=(0.5, 0.5, 0.3))
    if preset == "port" and minsize < 5:
        return  # whole pixels of 4 are too coarse for its arithmetic to find one of these
    centres = (dets[:, :2] + dets[:, 2:4]) / 2
    assert np.abs(centres - [47, 16]).max(axis=1).min() < 3


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.slow
def test_batches(preset: str, astronaut: Image, face: Image, detector: TrtMtcnn) -> None:
    images = [
        astronaut,
        pictures.noise(90, 210),
        pictures.scaled(face, 61),
        np.zeros((1, 1, 3), np.uint8),
        pictures.tiled(pictures.scaled(face, 96), 2, 4),
        astronaut[:, 100:300],
        astronaut,
    ]
    results = detector.detect_batch(images, 30, preset=preset)
    assert len(results) == len(images)
    for img, ours in zip(images, results, strict=True):
        boxes, scores, landmarks = differences(ours, cascade.detect(img, 30, preset))
        assert boxes <= BOXES and scores <= SCORES and landmarks <= LANDMARKS
    assert [len(dets) for dets, _ in results] == [1, 0, 1, 0, 8, 1, 1]
