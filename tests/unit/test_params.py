"""The parameters, and the presets, which are nothing but values of them."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import FrozenInstanceError, asdict, fields
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn import TrtMtcnn, checks
from mtcnn.params import DEFAULT_PRESET, PRESETS, Params, make_params
from tests.reference import params as reference

NAMES = [field.name for field in fields(Params)]


def test_presets_are_those_of_the_reference() -> None:
    assert set(PRESETS) == set(reference.PRESETS)
    assert DEFAULT_PRESET in PRESETS
    for name, preset in PRESETS.items():
        ours, theirs = asdict(preset), asdict(reference.PRESETS[name])
        assert {key: ours[key] for key in theirs} == theirs
        assert set(ours) - set(theirs) == {"minsize", "rotations", "networks", "landmark_net", "max_work"}
        assert preset.landmark_net is (False if name == "port" else None)
        assert (preset.minsize, preset.networks, preset.max_work) == (40, 3, None)


def test_the_ports_constants() -> None:
    port = PRESETS["port"]
    assert port.thresholds == (0.7, 0.7, 0.7) and port.nms_thresholds == (0.5, 0.7, 0.7, 0.7)
    assert (port.max_size, port.max_rnet, port.max_onet) == ((720, 1280), 256, 64)
    assert (port.level_size, port.nms_boxes, port.whole_pixels) == ("floor", "regressed", True)


@pytest.mark.parametrize("preset", PRESETS)
def test_make_params_changes_only_what_it_is_told(preset: str) -> None:
    assert make_params(preset, {}) == PRESETS[preset]
    changed = make_params(preset, {"minsize": 25, "thresholds": [0.1, 0.2, 0.3]})
    assert asdict(changed) == {**asdict(PRESETS[preset]), "minsize": 25, "thresholds": (0.1, 0.2, 0.3)}
    assert make_params(changed, {"factor": 0.5}) == Params(**{**asdict(changed), "factor": 0.5})
    assert make_params(preset, {}) == PRESETS[preset]


@pytest.mark.parametrize("preset", ["", "Fast", "slow", None, 1, ["fast"], {}])
def test_unknown_preset(preset: Any) -> None:
    with pytest.raises(ValueError, match="preset must be one of .*'port', 'fast'.* got"):
        make_params(preset, {})


def test_unknown_parameter_is_told_the_known_ones() -> None:
    with pytest.raises(
        TypeError, match="unknown parameter 'min_size': did you mean minsize\\? the parameters are minsize, factor"
    ):
        make_params("fast", {"min_size": 20})


@given(
    minsize=st.one_of(st.integers(4, 10**9), st.floats(4, 1e9)),
    factor=st.floats(0, 1, exclude_min=True, exclude_max=True),
    thresholds=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    nms_thresholds=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    caps=st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
    max_size=st.one_of(st.none(), st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))),
)
def test_everything_in_range_is_taken(
    minsize: float, factor: float, thresholds: Any, nms_thresholds: Any, caps: Any, max_size: Any
) -> None:
    p = Params(
        minsize=minsize,
        factor=factor,
        thresholds=thresholds,
        nms_thresholds=nms_thresholds,
        max_rnet=caps[0],
        max_onet=caps[1],
        max_size=max_size,
    )
    assert (p.minsize, p.factor, p.max_rnet, p.max_onet, p.max_size) == (minsize, factor, *caps, max_size)
    assert p.thresholds == tuple(thresholds) and p.nms_thresholds == tuple(nms_thresholds)
    assert pickle.loads(pickle.dumps(p)) == p and hash(p) == hash(pickle.loads(pickle.dumps(p)))


@pytest.mark.parametrize("number", [np.float32(25), np.float64(25), np.int16(25), np.uint8(25), Fraction(25), 25])
def test_any_real_number(number: Any) -> None:
    p = Params(minsize=number)
    assert p.minsize == 25.0 and type(p.minsize) is float


@pytest.mark.parametrize("values", [[0.5, 0.6, 0.7], np.array([0.5, 0.6, 0.7]), (v for v in (0.5, 0.6, 0.7))])
def test_any_three_thresholds(values: Any) -> None:
    p = Params(thresholds=values)
    assert p.thresholds == (0.5, 0.6, 0.7) and all(type(v) is float for v in p.thresholds)


def test_numbers_of_numpy_count_as_pythons() -> None:
    numbers: dict[str, Any] = {
        "max_rnet": np.int64(5),
        "max_size": (np.int32(7), np.uint16(9)),
        "whole_pixels": np.bool_(True),
    }
    p = Params(**numbers)
    assert (p.max_rnet, p.max_size, p.whole_pixels) == (5, (7, 9), True)
    assert type(p.max_rnet) is int and type(p.whole_pixels) is bool


NAN, INF = float("nan"), float("inf")
WRONG: list[tuple[str, Any, type[Exception]]] = [
    *(("minsize", value, ValueError) for value in (3.999, 0, -12, 1.1e9, 10**400, NAN, INF, -INF)),
    *(("minsize", value, TypeError) for value in (None, "40", True, [40], np.array([40]), 40j, Decimal(40))),
    *(("factor", value, ValueError) for value in (0, 1, 1.5, -0.1, NAN, INF)),
    *(("factor", value, TypeError) for value in (None, "0.7", False)),
    *((name, value, ValueError) for name in ("max_rnet", "max_onet") for value in (0, -1, 10**9)),
    *((name, value, TypeError) for name in ("max_rnet", "max_onet") for value in (None, 1.0, "1", True)),
    *(("mirror_range", value, ValueError) for value in ((0.1,), (0.1, 0.5, 0.9), (0.9, 0.1), (-0.1, 1), (0, NAN))),
    *(("mirror_range", value, TypeError) for value in (None, 0.5, "0,1", (True, 1), ("0", 1))),
    *(("max_size", value, ValueError) for value in ((0, 5), (5, -1), (5, 2**40))),
    *(("max_size", value, TypeError) for value in (5.0, "720", (720,), (1, 2, 3), (1.5, 2), (True, 5), {720, 1280})),
    *(("level_size", value, ValueError) for value in ("round", "", None, 1)),
    *(("nms_boxes", value, ValueError) for value in ("windows", None)),
    *(("resize", value, ValueError) for value in ("cubic", None, ["area"])),
    *(("whole_pixels", value, TypeError) for value in (0, 1, None, "yes")),
]
for name, count in (("thresholds", 3), ("nms_thresholds", 4)):
    for bad in (-0.01, 1.01, NAN, INF):
        WRONG.append((name, (0.5,) * (count - 1) + (bad,), ValueError))
    for bad in (None, "0.5", True):
        WRONG.append((name, (0.5,) * (count - 1) + (bad,), TypeError))
    WRONG += [(name, (0.5,) * (count + 1), ValueError), (name, (), ValueError)]
    WRONG += [(name, 0.5, TypeError), (name, None, TypeError), (name, "0.5", TypeError), (name, b"555", TypeError)]


@pytest.mark.parametrize(("name", "value", "error"), WRONG)
def test_what_is_wrong_is_named(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"^{name}\b.* must be .*got"):
        Params(**{name: value})
    with pytest.raises(error, match=rf"^{name}\b"):
        make_params("fast", {name: value})


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


BEYOND = {
    "long": 10**5000,
    "negative": -(10**5000),
    "unprintable": Unprintable(),
    "array": np.array(["area", "bilinear"]),
    "text": "x" * 10**6,
}


@pytest.mark.parametrize("value", BEYOND.values(), ids=BEYOND)
@pytest.mark.parametrize("name", ["minsize", "max_rnet", "max_size", "resize", "thresholds", "mirror", "max_work"])
def test_wrong_values_that_cannot_be_printed_or_compared(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"^{name}\b.* must be .*got") as error:
        make_params("fast", {name: value})
    assert len(str(error.value)) < 400
    with pytest.raises((TypeError, ValueError), match="preset must be one of .*got"):
        make_params(value, {})


def test_one_bad_threshold_is_told_apart() -> None:
    with pytest.raises(ValueError, match=r"thresholds\[1\] must be 0 to 1, got 2"):
        Params(thresholds=(0.5, 2, 0.5))


def test_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Params().minsize = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        PRESETS["fast"].thresholds[0] = 0.1  # type: ignore[index]


def test_every_parameter_is_documented() -> None:
    assert Params.__doc__ is not None
    for name in NAMES:
        assert name in Params.__doc__


@pytest.mark.parametrize("values", [(0.8, 1.0), [0.8, 1], np.array([0.8, 1.0])])
def test_second_pass_scales(values: Any) -> None:
    p = Params(second_pass_scales=values)
    assert p.second_pass_scales == (0.8, 1.0) and all(type(v) is float for v in p.second_pass_scales)
    assert hash(p) == hash(Params(second_pass_scales=(0.8, 1.0)))


@pytest.mark.parametrize(
    "values, error",
    [
        ((), ValueError),
        ((1.0,) * 17, ValueError),
        ((0.2,), ValueError),
        ((float("nan"),), ValueError),
        (1.0, TypeError),
        ("1", TypeError),
        (("1",), TypeError),
        (itertools.repeat(1.0), ValueError),
        (np.array(1.0), TypeError),
        (memoryview(np.ones((2, 2))), TypeError),
    ],
)
def test_wrong_second_pass_scales(values: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="second_pass_scales"):
        Params(second_pass_scales=values)


@pytest.mark.parametrize("values", [np.array(0.5), memoryview(np.ones((3, 2))), {"a": 0.5, "b": 0.5, "c": 0.5}])
@pytest.mark.parametrize("name", ["thresholds", "max_size"])
def test_what_is_no_row_of_numbers(name: str, values: Any) -> None:
    with pytest.raises(TypeError, match=f"{name}.* must be .*got"):
        Params(**{name: values})


class Device:
    """As torch.device("cuda", 1) is shown."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


@pytest.mark.parametrize("text", ["auto", "cpu", "cuda", "cuda:3"])
def test_devices(text: str) -> None:
    assert checks.device(text, "device") == checks.device(Device(text), "device") == text


@pytest.mark.parametrize(
    "wrong", ["tpu", "cuda:x", "cuda:-1", "cuda:\u0663", "CPU", "cpu\n", None, 0, Device("mps"), b"cpu"]
)
def test_what_is_no_device(wrong: object) -> None:
    with pytest.raises(ValueError, match='device must be "auto", "cpu", "cuda" or "cuda:N", got'):
        checks.device(wrong, "device")


def test_a_detector_on_a_device_of_another_library(engines: object) -> None:
    with TrtMtcnn(device=Device("cpu")) as detector:
        assert "device='cpu'" in repr(detector) and detector.detect(np.zeros((40, 40, 3), np.uint8))[0].shape == (0, 5)
