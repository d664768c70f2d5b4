"""Faces as objects."""

import dataclasses

import numpy as np
import pytest

import mtcnn
from mtcnn import FaceAligner, TrtMtcnn
from mtcnn.faces import Face, make_faces


@pytest.fixture(scope="module")
def face(detector: TrtMtcnn, astronaut: np.ndarray) -> Face:
    (found,) = detector.faces(astronaut)
    return found


def test_is_what_detect_finds(face: Face, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    dets, landmarks = detector.detect(astronaut)
    np.testing.assert_array_equal(face.box, dets[0, :4])
    assert face.score == dets[0, 4] and isinstance(face.score, float)
    np.testing.assert_array_equal(face.points, landmarks[0].reshape(2, 5).T)
    assert mtcnn.Face is Face and face.points.dtype == face.box.dtype == np.float32


def test_parameters_are_those_of_detect(detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    assert detector.faces(astronaut, 300) == []
    assert len(detector.faces(astronaut[:, :, 0], minsize=40, preset="fast", thresholds=(0.6, 0.7, 0.9))) == 1
    with pytest.raises(TypeError, match="minsiz"):
        detector.faces(astronaut, minsiz=40)


def test_aligns_as_the_aligner(face: Face, astronaut: np.ndarray) -> None:
    np.testing.assert_array_equal(face.align(), FaceAligner().align(astronaut, face.points))
    arcface = FaceAligner(template="arcface").align(astronaut, face.points)
    np.testing.assert_array_equal(face.align(template="arcface"), arcface)
    assert face.align((64, 48), margin=0.2).shape == (64, 48, 3)


def test_crops_the_box(face: Face, astronaut: np.ndarray) -> None:
    x1, y1, x2, y2 = face.box
    crop = face.crop()
    assert crop.shape == (np.ceil(y2) - np.floor(y1), np.ceil(x2) - np.floor(x1), 3) and crop.flags.c_contiguous
    np.testing.assert_array_equal(crop, astronaut[int(y1) :, int(x1) :][: crop.shape[0], : crop.shape[1]])
    assert face.crop(margin=0.5).shape[0] > 1.9 * crop.shape[0]
    np.testing.assert_array_equal(face.crop(4), astronaut[:, : face.crop(4).shape[1]])
    with pytest.raises(ValueError, match="margin must be"):
        face.crop(-1)


@pytest.mark.parametrize("box", [(-50, -50, -20, -20), (90, 90, 120, 120), (5, 5, 5, 5), (-1e9, 3, 1e9, 4)])
def test_a_crop_has_a_pixel_at_least(box: tuple[float, ...]) -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    crop = Face(np.array(box, np.float32), 0.9, np.zeros((5, 2), np.float32), picture).crop()
    assert crop.size > 0 and crop.shape[0] <= 60 and crop.shape[1] <= 80


def test_is_frozen_and_short(face: Face) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        face.score = 0.0  # type: ignore[misc]
    assert repr(face).startswith("Face(box=(18") and repr(face).endswith("score=1.000)") and len(repr(face)) < 70
    assert len({face, face}) == 1


def test_owns_its_numbers(detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    dets, landmarks = detector.detect(astronaut)
    (made,) = make_faces(astronaut, dets, landmarks)
    dets[:] = 0
    assert made.box.any()


def test_a_device_says_in_short_what_it_is(detector: TrtMtcnn) -> None:
    text = repr(detector.device)
    assert text.startswith("CpuDevice(") and f"threads={detector.device.threads}" in text and len(text) < 120
    assert repr(type(detector.device).__new__(type(detector.device))) == "CpuDevice()"
