"""What O-Net's second pass does to scores and points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mtcnn import TrtMtcnn
from tests.support import pictures
from tests.support.emulated import emulated_detector

pytestmark = pytest.mark.slow

Image = NDArray[np.uint8]
SCALES = (0.8, 1.0)


@pytest.fixture(scope="module")
def crowd(astronaut: Image, face: Image) -> Image:
    """Faces of several sizes, and noise that low thresholds take for faces."""
    canvas = pictures.noise(300, 420, grain=30, seed=3)
    for side, x, y in [(40, 5, 5), (60, 60, 5), (90, 150, 5), (140, 260, 5), (180, 20, 110)]:
        pictures.paste(canvas, pictures.scaled(face, side), x, y)
    return canvas


def test_scores_are_means_and_reach_the_threshold(crowd: Image, detector: TrtMtcnn) -> None:
    common = {"minsize": 20, "second_pass_scales": SCALES, "thresholds": (0.5, 0.5, 0.4)}
    alone, _ = detector.detect(crowd, average_scores=False, **common)
    mean, _ = detector.detect(crowd, average_scores=True, **common)
    assert len(mean) >= 5
    assert (mean[:, 4] >= 0.4).all() and (np.diff(mean[:, 4]) <= 0).all()
    assert not np.isin(mean[:, 4], alone[:, 4]).all()
    # What is left at a higher threshold for the mean was there before, with the same score.
    strict, _ = detector.detect(crowd, average_scores=True, **{**common, "thresholds": (0.5, 0.5, 0.8)})
    assert 0 < len(strict) <= len(mean) and (strict[:, 4] >= 0.8).all()


@pytest.mark.parametrize(("scales", "threshold"), [((0.85,), 0.6), ((0.85,), 0.9), (SCALES, 0.8)])
def test_no_mean_is_lost_in_the_first_pass(
    crowd: Image, detector: TrtMtcnn, scales: tuple[float, ...], threshold: float
) -> None:
    """Where more than a quarter of the threshold has to pass: what does not could not have reached the threshold."""
    common: dict[str, Any] = {"minsize": 20, "second_pass_scales": scales, "average_above": 1}
    every, _ = detector.detect(crowd, thresholds=(0.3, 0.1, 0.01), **common)
    found, _ = detector.detect(crowd, thresholds=(0.3, 0.1, threshold), **common)
    enough = every[every[:, 4] >= threshold]
    assert len(every) > len(enough) >= 4
    assert found.shape == enough.shape
    np.testing.assert_allclose(found, enough, atol=1e-3)


@pytest.mark.filterwarnings("ignore::mtcnn.UnusedParameterWarning")
def test_without_second_pass_scores_stay(crowd: Image, detector: TrtMtcnn) -> None:
    plain = detector.detect(crowd, 20, second_pass=False, average_scores=False)
    for a, b in zip(detector.detect(crowd, 20, second_pass=False, average_scores=True), plain, strict=True):
        np.testing.assert_array_equal(a, b)


SOME = [(1.0,), (0.8,), SCALES]


def test_each_scale_counts(crowd: Image, detector: TrtMtcnn) -> None:
    found = [detector.detect(crowd, 40, second_pass_scales=scales, tight_landmarks=False)[1] for scales in SOME]
    found = [landmarks[np.lexsort(landmarks.T[:1])] for landmarks in found]  # scores may change places
    assert len({len(landmarks) for landmarks in found}) == 1
    for i in range(3):
        assert 0.01 < np.abs(found[i] - found[i - 1]).max() < 10


def test_batch_with_and_without_faces(crowd: Image, detector: TrtMtcnn) -> None:
    images = [crowd, np.zeros((50, 60, 3), np.uint8), crowd[:150]]
    for (dets, landmarks), img in zip(detector.detect_batch(images, 20), images, strict=True):
        alone = detector.detect(img, 20)
        np.testing.assert_allclose(dets, alone[0], atol=1e-3)
        np.testing.assert_allclose(landmarks, alone[1], atol=1e-3)


@pytest.mark.filterwarnings("ignore::mtcnn.UnusedParameterWarning")
def test_mirror_images_in_the_first_pass(crowd: Image, detector: TrtMtcnn) -> None:
    """They are there if asked for, or if no other pass follows; elsewhere `mirror_first` does nothing."""
    faces = {first: detector.detect(crowd, 40, mirror_first=first, mirror_range=(0, 1))[0] for first in (False, True)}
    faces = {first: dets[np.argsort(dets[:, 0])] for first, dets in faces.items()}  # scores may change places
    assert len(faces[False]) == len(faces[True]) > 2
    assert 0 < np.abs(faces[False] - faces[True]).max() < 5
    for other in ({"second_pass": False}, {"mirror": False}):
        plain, first = (detector.detect(crowd, 40, mirror_first=first, **other)[0] for first in (False, True))
        np.testing.assert_array_equal(plain, first)
    every = {"second_pass": False, "mirror_range": (0, 1)}
    once = [detector.detect(crowd, 40, mirror=mirror, **every)[0] for mirror in (False, True)]
    assert np.abs(once[0] - once[1]).max() > 0


def test_mirror_images_where_they_are_asked_for(crowd: Image, detector: TrtMtcnn) -> None:
    """Of boxes whose score for the crop is in the range; the others keep it."""
    one: dict[str, Any] = {"minsize": 20, "preset": "fast", "nms_thresholds": (0.5, 0.7, 1, 1)}
    one["thresholds"] = (0.3, 0.1, 0)
    plain, every = np.hstack(detector.detect(crowd, **one)), np.hstack(detector.detect(crowd, mirror=True, **one))
    scores = np.sort(plain[:, 4])
    few, score, many = ((scores[i] + scores[i + 1]) / 2 for i in (len(scores) // 5 * k for k in (1, 2, 4)))
    with emulated_detector() as gpu:
        for device in (detector, gpu):
            for low, high in [(few, many), (score, 1.0), (0.0, score), (many, 1.0)]:
                some = np.hstack(device.detect(crowd, mirror=True, mirror_range=(low, high), **one))
                chosen = (plain[:, 4] >= low) & (plain[:, 4] <= high)
                assert 3 < chosen.sum() < len(chosen) - 3 and len(some) == len(plain) == len(every)
                kept = are_among(some, plain[~chosen])
                assert kept.sum() == (~chosen).sum() and are_among(some[~kept], every).all()


def are_among(rows: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(rows[:, np.newaxis] - others).max(axis=2).min(axis=1) < 2e-3)


def test_landmarks_of_the_smallest_square(crowd: Image, detector: TrtMtcnn) -> None:
    """Boxes and scores are those of all squares, points those of the first pass and of the smallest."""
    common = {"minsize": 40, "average_scores": False, "vote": 0}
    for scales, smallest in [((0.8, 1.2), 0.8), ((1.2, 0.8, 1.0), 0.8)]:
        every = detector.detect(crowd, second_pass_scales=scales, tight_landmarks=False, **common)
        tight = detector.detect(crowd, second_pass_scales=scales, tight_landmarks=True, **common)
        alone = detector.detect(crowd, second_pass_scales=(smallest,), **common)
        assert len(every[0]) > 2
        np.testing.assert_array_equal(tight[0], every[0])
        np.testing.assert_array_equal(tight[1], alone[1])
        assert np.abs(tight[1] - every[1]).max() > 0.1


def test_votes(crowd: Image, detector: TrtMtcnn) -> None:
    """Scores rise by the boxes averaged, three at most, alike on both devices; boxes and points stay."""
    common: dict[str, Any] = {"minsize": 20, "preset": "accurate", "thresholds": (0.6, 0.3, 0.2)}
    before, landmarks = detector.detect(crowd, vote=0, **common)
    with emulated_detector() as gpu:
        for found, points in (detector.detect(crowd, vote=0.5, **common), gpu.detect(crowd, vote=0.5, **common)):
            lifts = set()
            for row, five in zip(found, points, strict=True):
                i = np.abs(landmarks - five).max(axis=1).argmin()
                if np.abs(landmarks[i] - five).max() < 1e-2 and before[i, 4] < 0.9999:
                    lifts.add(round(float(np.log2((1 - before[i, 4]) / (1 - row[4]))), 2))
            assert {1, 2, 3} & lifts and lifts <= {0, 1, 2, 3}


def test_more_squares_than_there_was_room_for(crowd: Image, detector: TrtMtcnn) -> None:
    """Of boxes that a GPU has room for at first; this many crops at once, and each still counts for its own box."""
    scales = tuple(np.linspace(0.8, 1.1, 16))
    params: dict[str, Any] = {
        "thresholds": (0.02, 0.0, 0.0),
        "nms_thresholds": (1, 1, 1, 1),
        "max_onet": 600,
        "second_pass_scales": scales,
        "average_above": 1,
    }
    dets, landmarks = detector.detect(crowd, 20, **params)
    assert len(dets) * len(scales) > 8192
    with emulated_detector() as gpu:
        found, points = gpu.detect(crowd, 20, **params)
    # Scores that are nearly equal may change places.
    ours, theirs = np.hstack([dets, landmarks]), np.hstack([found, points])
    distances = np.abs(ours[:, np.newaxis] - theirs).max(axis=2)
    assert distances.shape == (len(ours), len(ours))
    assert max(distances.min(axis=0).max(), distances.min(axis=1).max()) < 2e-3
