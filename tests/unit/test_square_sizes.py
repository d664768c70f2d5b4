"""One number for a size is a square's, wherever a size is taken."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict

import numpy as np
import pytest

from mtcnn import FaceAligner, TrtMtcnn
from mtcnn.cli.engines import _pair
from mtcnn.compat.retinaface import extract_faces
from mtcnn.compat.yunet import FaceDetectorYN
from mtcnn.engines.settings import BuildSettings
from mtcnn.params import PRESETS, Params
from mtcnn.serve.parameters import read_parameters


def test_of_crops(astronaut: np.ndarray, detector: TrtMtcnn) -> None:
    for side in (112, np.int64(112)):
        assert FaceAligner(side).size == (112, 112)  # type: ignore[arg-type]
    (face,) = detector.faces(astronaut)
    assert face.align(64).shape == (64, 64, 3)
    (crop,) = extract_faces(astronaut, model=detector, target_size=50)
    assert crop.shape == (50, 50, 3)


def test_of_what_is_shrunk() -> None:
    assert Params(max_size=300).max_size == (300, 300)  # type: ignore[arg-type]
    assert read_parameters([("max_size", "300")], PRESETS["fast"]).max_size == (300, 300)


def test_of_engines() -> None:
    assert BuildSettings(pnet_size=640).pnet_size == (640, 640)  # type: ignore[arg-type]
    for text, separator, example in (("4", ",", "1,8"), ("640", "x", "640x960")):
        with pytest.raises(ValueError, match=f"must be two whole numbers like {example}, got '{text}'"):
            _pair(text, separator, "--pnet-size")


def test_tuples_lists_and_arrays_with_numbers_of_numpys() -> None:
    array = np.array([640, 96])
    for size in ((640, 96), [640, 96], array, tuple(array)):
        assert FaceAligner(size).size == (640, 96)  # type: ignore[arg-type]
        assert Params(max_size=size).max_size == (640, 96)  # type: ignore[arg-type]
        yunet = FaceDetectorYN.create("", "", size, detector=TrtMtcnn(device="cpu"))
        assert yunet.getInputSize() == (640, 96)
        assert json.loads(json.dumps(asdict(BuildSettings(pnet_size=size))))["pnet_size"] == [640, 96]  # type: ignore[arg-type]
    one = np.int64(9)
    settings = BuildSettings((64, 64), (one, one), workspace=one, gpu=one, targets=(one + 80,))  # type: ignore[arg-type]
    assert json.loads(json.dumps(asdict(settings)))["targets"] == [89]


def test_what_has_no_end_is_no_size() -> None:
    with pytest.raises(TypeError, match="size must be"):
        FaceAligner(itertools.count(1))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [True, 112.0, "112", (112,), {112, 96}, {112: 96, 96: 112}, b"11", np.array(112)])
def test_what_is_none(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"size must be \(height, width\) in whole pixels, or one number for a square"):
        FaceAligner(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"max_size must be \(height, width\), one number for a square, or None"):
        Params(max_size=wrong)  # type: ignore[arg-type]
