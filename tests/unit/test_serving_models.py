"""The code of our models in Triton: of a batch, each request succeeds or fails alone. tests/triton has the server."""

from __future__ import annotations

import importlib
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from mtcnn.engines import models_folder
from mtcnn.serving.repository import network_config
from tests.conftest import ROOT
from tests.support import triton_backend
from tests.support.pictures import Image, noise
from tests.support.triton_backend import Request, files, pictures
from tests.unit.test_work import ENDLESS

FILE = (ROOT / "docs" / "images" / "astronaut.jpg").read_bytes()
DEEP = "[" * 50_000


@pytest.fixture(scope="module")
def load() -> Iterator[Callable[[str, dict[str, str], dict[str, Any]], Any]]:
    """Makes the model of a module in mtcnn.serving.models, as Triton does with what mtcnn triton wrote."""
    sys.modules["triton_python_backend_utils"] = triton_backend
    made = []

    def make(name: str, settings: dict[str, str], args: dict[str, Any]) -> Any:
        config = {
            "parameters": {key: {"string_value": value} for key, value in settings.items()},
            "instance_group": [{"count": 1}],
            **args.pop("config", {}),
        }
        model = importlib.import_module(f"mtcnn.serving.models.{name}").TritonPythonModel()
        model.initialize({"model_config": json.dumps(config), "model_instance_kind": "CPU", **args})
        made.append(name)
        return model

    yield make
    for name in ("requests", *made):
        sys.modules.pop(f"mtcnn.serving.models.{name}", None)
    del sys.modules["triton_python_backend_utils"]


@pytest.fixture(scope="module")
def cascade(load: Any, engines: dict[str, Any]) -> Iterator[Any]:
    settings = {"max_pixels": "1000000", "preset": "fast", "threads": "1", "minsize": "40"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "1000000")  # which the model sets, for all of the process
        model = load("cascade", settings, {})
        yield model
        model.finalize()


def hostile(picture: Image) -> dict[str, tuple[Request, str]]:
    """Requests that must fail, and what they are told."""
    img = pictures(picture)
    mask = noise(90, 90) & 1
    loop = Request(pixels=img)
    loop.parameters = lambda: 1 / 0  # type: ignore[method-assign]
    broken = Request(pixels=img)
    broken.inputs["pixels"].as_numpy = lambda: (_ for _ in ()).throw(MemoryError())  # type: ignore[method-assign]
    endless = {name: json.dumps(value) for name, value in (ENDLESS | {"mirror": True}).items()}
    cases: list[tuple[str, Any, str]] = [
        ("deep", json.dumps({"thresholds": DEEP}), "nested too deeply"),
        ("deep outside", DEEP, "nested too deeply"),
        ("deep objects", json.dumps({"minsize": '{"a":' * 5_000}), "nested too deeply"),
        ("long", json.dumps({"thresholds": [0.5] * 100_000}), "of at most 65536"),
        ("no JSON", "{", "Expecting"),
        ("a list", "[1]", "must be a JSON object"),
        ("a word", '"abc"', "must be a JSON object"),
        ("null", "null", "must be a JSON object"),
        ("NaN", {"minsize": "NaN"}, "minsize must be"),
        ("Infinity", {"minsize": "Infinity"}, "minsize must be"),
        ("beyond float", {"minsize": "1e999"}, "minsize must be"),
        ("long number", {"max_rnet": "9" * 4_000}, "max_rnet must be 1"),
        ("longer number", {"max_rnet": "9" * 40_000}, "Exceeds the limit|max_rnet must be"),
        ("a number is a list", {"minsize": "[40]"}, "minsize must be a number"),
        ("a number is an object", {"minsize": '{"a": 1}'}, "minsize must be a number"),
        ("a number is a flag", {"minsize": True}, "minsize must be a number"),
        ("a flag is a word", {"mirror": "perhaps"}, "mirror must be True or False"),
        ("a choice is a list", {"resize": "[1]"}, "resize must be"),
        ("thresholds are words", {"thresholds": '["a", "b", "c"]'}, r"thresholds\[0\] must be a number"),
        ("thresholds are few", {"thresholds": "[0.5]"}, "thresholds must be 3"),
        ("thresholds are NaN", {"thresholds": "[NaN, NaN, NaN]"}, r"thresholds\[0\] must be"),
        ("thresholds are an object", {"thresholds": "{}"}, "thresholds must be 3 numbers"),
        ("a size is negative", {"max_size": "[-1, 5]"}, r"max_size\[0\] must be"),
        ("a preset is a list", {"preset": "[]"}, "preset must be one of"),
        ("a preset is an object", {"preset": "{}"}, "preset must be one of"),
        ("unknown", {"colour": 1}, "unknown parameter"),
        ("of Python", {"self": 1}, "unknown parameter"),
        ("images", {"images": 1}, "unknown parameter"),
        ("empty name", {"": 1}, "unknown parameter"),
        ("lone surrogate", {"\ud800": 1}, "unknown parameter"),
        ("lone surrogate as value", {"resize": "\udcff\x1b[31m\n"}, "resize must be"),
        ("long name", {"x" * 60_000: 1}, "unknown parameter"),
        ("endless", endless, "max_work is 900"),
        ("max_work lifted", endless | {"max_work": "null"}, "max_work is 900"),
        ("max_work raised", endless | {"max_work": 10**9}, "max_work is 900"),
        (
            "max_work of a preset",
            {"preset": "accurate"} | endless,
            "max_work is",
        ),
        ("max_work lowered", {"max_work": "0.0001"}, "max_work is 0.0001"),
        ("max_work is a word", {"max_work": "none"}, "max_work must be a number"),
        ("levels", {"minsize": 12, "factor": "0.999999999"}, "factor is too near 1"),
    ]
    small = pictures(noise(128, 128))
    table = {
        name: (Request(parameters, pixels=small if "max_work" in match else img), match)
        for name, parameters, match in cases
    }
    huge = cv2.imencode(".png", np.zeros((2000, 2000, 3), np.uint8))[1].tobytes()
    table |= {
        "no input": (Request(), "must have one input"),
        "both inputs": (Request(pixels=img, image=files(FILE)), "must have one input"),
        "empty file": (Request(image=files(b"")), "the file is empty"),
        "no picture": (Request(image=files(b"GIF89a")), "no picture"),
        "a cut file": (Request(image=files(FILE[:300])), "no picture"),
        "one of two": (Request(image=files(FILE, b"?")), "no picture"),
        "a file that is none": (Request(image=files(None)), "the file is empty"),
        "a file that is a number": (Request(image=files(7)), "a bytes-like object is required"),
        "levels 0 and 1": (Request(pixels=pictures(mask)), "pixels holds levels 0 and 1 alone"),
        "a file of levels 0 and 1": (Request(image=files(cv2.imencode(".png", mask)[1].tobytes())), "0 and 1 alone"),
        "huge": (Request(image=files(huge)), "of at most 1,000,000"),
        "large": (Request(pixels=pictures(np.zeros((1001, 1000, 3), np.uint8))), "1000x1001 pixels"),
        "no pixels": (Request(pixels=np.zeros((1, 0, 9, 3), np.uint8)), "pixels is empty"),
        "two channels": (Request(pixels=np.zeros((1, 9, 9, 2), np.uint8)), "must have the shape"),
        "no dimensions": (Request(pixels=np.array(3, np.uint8)), "."),
        "floats": (Request(pixels=np.full((1, 20, 20, 3), np.nan, np.float32)), "NaN"),
        "objects": (Request(pixels=np.full((1, 20, 20, 3), None, object)), "dtype object"),
        "what reading raises": (loop, "division by zero"),
        "memory": (broken, "MemoryError"),
    }
    return table


@pytest.mark.slow
def test_every_hostile_request_fails_alone(cascade: Any, astronaut: Image) -> None:
    """All of them in one batch, a good one before, between and after each."""
    table = hostile(astronaut)
    good = Request(pixels=pictures(astronaut))
    requests = [good]
    for request, _ in table.values():
        requests += [request, good]
    answers = cascade.execute(requests)
    assert len(answers) == len(requests) and len(table) > 50
    for answer in answers[::2]:
        assert answer.error is None and answer["count"].tolist() == [[1]]
    for (name, (_, match)), answer in zip(table.items(), answers[1::2], strict=True):
        assert answer.error is not None, name
        message = answer.error.message
        assert re.search(match, message), (name, message)
        assert len(message) <= 500 and message.isprintable(), name
        assert (answer.error.code == "INTERNAL") == (name in ("what reading raises", "memory")), (name, message)


def test_what_fails_in_the_detector_is_found_out(cascade: Any, astronaut: Image) -> None:
    """The same parameters, so that they are run together; one picture of them takes too much."""
    params = {"max_work": "0.2"}
    small, large = pictures(astronaut[:200, :200]), pictures(noise(1000, 1000))
    answers = cascade.execute([Request(params, pixels=img) for img in (small, large, small)])
    assert [answer.error is None for answer in answers] == [True, False, True]
    assert "max_work is 0.2" in answers[1].error.message


def test_clients_values_are_told_once_for_each_name(cascade: Any, astronaut: Image) -> None:
    """Python remembers each text that it has warned of, and clients have millions of values."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for i in range(5):
            (answer,) = cascade.execute([Request({"vote": f"{0.1 + i / 100}"}, pixels=pictures(astronaut))])
            assert answer.error is None, answer.error.message
        cascade.execute([Request({"tight_landmarks": True}, pixels=pictures(astronaut))])
    assert [str(one.message).partition("=")[0] for one in said] == ["vote", "tight_landmarks"]


def test_pictures_of_a_request_stay_together(cascade: Any, astronaut: Image) -> None:
    gray = np.full_like(astronaut, 128)
    answers = cascade.execute(
        [Request(pixels=pictures(gray, astronaut)), Request(image=files(FILE)), Request(pixels=pictures(gray))]
    )
    assert [answer["count"].ravel().tolist() for answer in answers] == [[0, 1], [1], [0]]
    assert answers[0]["dets"].shape == (2, 1, 5) and answers[2]["landmarks"].shape == (1, 0, 10)


def test_a_network(load: Any, tmp_path: Any) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.onnx").write_bytes((models_folder() / "rnet.onnx").read_bytes())
    config = {
        "input": [{"name": "data"}],
        "output": [{"name": tensor.name} for tensor in network_config("rnet", "python", "nchw", 8, 1, {}).outputs],
    }
    args = {"config": config, "model_repository": str(tmp_path), "model_version": "1"}
    model = load("network", {"layout": "nchw", "max_pixels": "1000", "threads": "1"}, args)
    good = np.random.default_rng(1).uniform(-1, 1, (2, 3, 24, 24)).astype(np.float32)
    alone = model.execute([Request(data=good)])[0]
    wrong = {
        "none": Request(),
        "size": Request(data=good[:, :, :20]),
        "channels": Request(data=good[:, :2]),
        "dimensions": Request(data=good[0]),
        "nothing": Request(data=good[:0]),
        "no pixels": Request(data=good[:, :, :0]),
        "dtype": Request(data=good.astype(object)),
        "pixels": Request(data=np.zeros((1, 3, 100, 100), np.float32)),
    }
    requests = [Request(data=good)]
    for request in wrong.values():
        requests += [request, Request(data=good)]
    answers = model.execute(requests)
    for answer in answers[::2]:
        assert answer.error is None
        for tensor in alone.output_tensors:
            np.testing.assert_allclose(answer[tensor.name], tensor.data, atol=1e-6)
    assert all(answer.error is not None for answer in answers[1::2])
