"""A call's parameters are checked once, and come to the same whoever gave them before."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

from mtcnn import UnusedParameterWarning, call_params
from mtcnn.params import PRESETS, Params, make_params

OWN = Params(max_work=50.0, vote=0.3, average_above=0.5)
CHANGES: list[dict[str, Any]] = [
    {"minsize": 30},
    {"minsize": 30.0},
    {"thresholds": (0.5, 0.6, 0.7)},
    {"thresholds": [0.5, 0.6, 0.7]},
    {"thresholds": np.array([0.5, 0.6, 0.7])},
    {"thresholds": (0.5, 0.6, 1)},
    {"mirror": True, "max_rnet": 1},
    {"max_rnet": 1, "mirror": False},
    {"max_size": (100, 200), "max_work": None},
    {"max_work": 7},
    {"rotations": "auto"},
    {"rotations": (0, 180)},
    {},
]
BASES: list[Any] = [None, "fast", "accurate", "port", PRESETS["accurate"], Params(minsize=25), Params(max_work=3.0)]


def expected(preset: Any, changes: dict[str, Any]) -> Params:
    if preset is None:
        return make_params(OWN, changes)
    own_limit = isinstance(preset, Params) and preset.max_work is not None
    return make_params(preset, changes if own_limit else {"max_work": OWN.max_work} | changes)


@pytest.mark.filterwarnings("ignore::mtcnn.UnusedParameterWarning")
def test_the_same_as_when_each_call_is_checked() -> None:
    for _ in range(2):  # the second time all are known
        for preset, changes in itertools.product(BASES, CHANGES):
            assert call_params.call_params(OWN, preset, changes) == expected(preset, changes), (preset, changes)
    other = Params(max_work=9.0)
    assert call_params.call_params(other, "fast", {"minsize": 30}).max_work == 9


def test_a_known_call_is_not_checked_again() -> None:
    first = call_params.call_params(OWN, "accurate", {"minsize": 31, "thresholds": (0.5, 0.6, 0.7)})
    assert call_params.call_params(OWN, "accurate", {"minsize": 31, "thresholds": (0.5, 0.6, 0.7)}) is first


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ({"max_rnet": 1}, {"max_rnet": True}),
        ({"mirror": True}, {"mirror": 1}),
        ({"minsize": 5}, {"minsize": "5"}),
        ({"thresholds": (1, 0.5, 0.5)}, {"thresholds": (True, 0.5, 0.5)}),
        ({"rotations": (0, 90)}, {"rotations": (False, 90)}),
    ],
)
def test_what_equals_a_known_value_is_refused_nevertheless(right: dict[str, Any], wrong: dict[str, Any]) -> None:
    call_params.call_params(OWN, None, right)
    for _ in range(2):
        with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
            call_params.call_params(OWN, None, wrong)


def test_a_list_is_shown_as_one() -> None:
    with pytest.raises(ValueError, match=r"thresholds.*got 2"):
        call_params.call_params(OWN, None, {"thresholds": [0.5, 0.6]})
    with pytest.raises(ValueError, match=r"rotations.*\[0, 5\]"):
        call_params.call_params(OWN, None, {"rotations": [0, 5]})


def test_a_list_that_has_changed_since() -> None:
    values = [0.5, 0.6, 0.7]
    call_params.call_params(OWN, None, {"thresholds": values})
    values[0] = 0.1
    assert call_params.call_params(OWN, None, {"thresholds": values}).thresholds == (0.1, 0.6, 0.7)


def test_each_call_warns() -> None:
    for _ in range(2):
        with pytest.warns(UnusedParameterWarning, match=r"vote=0\.2 has no effect"):
            call_params.call_params(OWN, "fast", {"vote": 0.2})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call_params.call_params(OWN, "accurate", {"vote": 0.3})
    with pytest.warns(UnusedParameterWarning, match="refine"):
        call_params.call_params(OWN, "accurate", {"vote": 0.3}, refining=True)


def test_parameters_that_were_let_go_are_not_mistaken() -> None:
    """Of objects that are gone others may have the id."""
    for i in range(2 * call_params._MOST):
        assert call_params.call_params(OWN, Params(factor=0.5 + i / 10_000), {"minsize": 33}).factor == 0.5 + i / 10_000
        assert len(call_params._checked) <= call_params._MOST
