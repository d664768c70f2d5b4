"""What benchmarks/tracking counts, on tracks that are made up."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from benchmarks.tracking.truth import agreement
from mtcnn.tracking import Tracks


def tracks(*rows: tuple[int, float]) -> Tracks:
    """Numbers, and where along a line."""
    dets = np.array([[x, 0, x + 10, 10, 1] for _, x in rows], np.float32).reshape(-1, 5)
    ids = np.array([number for number, _ in rows], np.int64)
    return Tracks(ids, dets, np.zeros((len(ids), 10), np.float32), np.ones(len(ids), bool))


def test_switches_fragments_and_recall() -> None:
    boxes = np.array([[0, 0, 10, 10], [100, 0, 110, 10]], np.float32)
    truth = [(np.array([1, 2], np.int64), boxes)] * 5
    seen = [
        tracks((7, 0), (8, 101)),
        tracks((8, 0), (7, 100)),  # both switch
        tracks((7, 100)),  # the first is lost
        tracks((8, 0), (7, 100), (9, 50)),  # and comes back; one more
        tracks((8, 0), (7, 120)),  # too far away
    ]
    got = agreement(truth, seen)
    assert (got.faces, got.found, got.extra, got.switches, got.fragments, got.ids) == (10, 8, 2, 2, 1, 3)
    assert got.recall == 0.8


def test_a_person_keeps_the_track_that_still_overlaps() -> None:
    """Though another, carried one, lies nearer for a while."""
    truth = [(np.array([1], np.int64), np.array([[0, 0, 10, 10]], np.float32))] * 3
    got = agreement(truth, [tracks((7, 0)), tracks((7, 3), (8, 0)), tracks((7, 0))])
    assert (got.switches, got.found, got.extra) == (0, 3, 1)
