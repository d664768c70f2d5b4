from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn.recognition.thresholds import best_threshold, cross_validate


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=30))
def test_no_threshold_is_better(pairs: list[tuple[int, bool]]) -> None:
    distances = np.array([d / 4 for d, _ in pairs])
    same = np.array([s for _, s in pairs])
    if len(set(distances)) < 2:
        return
    threshold, accuracy = best_threshold(distances, same)
    assert accuracy == ((distances <= threshold) == same).mean()
    values = np.unique(distances)
    between = (values[1:] + values[:-1]) / 2
    assert accuracy == max(((distances <= t) == same).mean() for t in between)


def test_the_widest_of_equal_gaps() -> None:
    assert best_threshold([0.1, 0.2, 0.9, 1.0], [1, 1, 0, 0]) == (pytest.approx(0.55), 1.0)
    # 0.25 and 0.65 are equally good
    assert best_threshold([0.2, 0.3, 0.4, 0.9], [1, 0, 1, 0])[0] == pytest.approx(0.65)


def test_no_face_is_a_different_person() -> None:
    threshold, accuracy = best_threshold([0.1, 0.2, np.nan, np.nan], [1, 1, 0, 0])
    assert accuracy == 1 and 0.2 <= threshold < np.inf
    assert best_threshold([0.1, np.nan, 0.9, 1], [1, 1, 0, 0])[1] == 0.75


def test_folds_are_judged_by_the_others() -> None:
    # within each of two folds all is clear, but at another distance: each fold's threshold fails the other
    distances = [0.1, 0.6, 0.1, 0.6, 0.3, 0.9, 0.3, 0.9]
    same = [1, 1, 1, 1, 0, 0, 0, 0]
    judged = cross_validate(distances, same, folds=2)
    assert judged.accuracies == (0.5, 0.5)
    assert judged.accuracy == 0.5 and judged.std == 0
    assert judged.threshold == best_threshold(distances, same)[0]


def test_clear_cases() -> None:
    rng = np.random.default_rng(0)
    same = rng.permutation(np.arange(200) % 2 == 0)
    distances = np.where(same, rng.uniform(0, 0.9, 200), rng.uniform(1.1, 2, 200))
    judged = cross_validate(distances, same)
    assert judged.accuracy == 1 and judged.std == 0 and len(judged.accuracies) == 10
    assert 0.9 < judged.threshold < 1.1


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"distances and same must be \(n,\) each, got \(2,\) and \(3,\)"):
        cross_validate([1, 2], [0, 1, 1])
    with pytest.raises(ValueError, match="10 folds need as many pairs"):
        cross_validate([1, 2, 3], [0, 1, 1])
    with pytest.raises(TypeError, match="same must hold booleans"):
        best_threshold([1, 2], [0.5, 1.0])
    with pytest.raises(ValueError, match="folds must be 2"):
        cross_validate([1, 2], [0, 1], folds=1)
    with pytest.raises(ValueError, match="not all equal"):
        best_threshold([1, 1], [0, 1])
