"""Tracker: numbers that stay, motion, smoothing; and boxes that are known refined."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtcnn import Tracker, TrtMtcnn
from mtcnn.tracking import tracker
from mtcnn.tracking.association import assign, nearness, overlaps
from mtcnn.tracking.kalman import BoxMotion
from mtcnn.tracking.one_euro import OneEuro
from tests.support.emulated import emulated_detector

pytest.importorskip("scipy")


def face(x: float, y: float, score: float = 0.9, side: float = 40) -> np.ndarray:
    return np.float32([x - side / 2, y - side / 2, x + side / 2, y + side / 2, score])


def points(x: float, y: float) -> np.ndarray:
    return np.float32([x - 8, x + 8, x, x - 6, x + 6, y - 8, y - 8, y, y + 8, y + 8])


def update(tracker: Tracker, *faces: tuple[float, ...], seconds: float | None = None) -> dict[int, tuple[float, float]]:
    """Numbers and centres."""
    dets = np.float32([face(*one) for one in faces]).reshape(-1, 5)
    marks = np.float32([points(one[0], one[1]) for one in faces]).reshape(-1, 10)
    tracks = tracker.update(dets, marks, seconds)
    centres = (tracks.dets[:, :2] + tracks.dets[:, 2:4]) / 2
    return {int(i): (float(x), float(y)) for i, (x, y) in zip(tracks.ids, centres)}


class TestNumbers:
    def test_they_stay_whatever_the_order(self) -> None:
        tracker = Tracker()
        for i in range(30):
            faces = [(100 + 2 * i, 100), (300 - 2 * i, 200)]
            found = update(tracker, *(faces if i % 2 else faces[::-1]))
            assert set(found) == {1, 2}
            if i == 0:
                first = {number: round(centre[1]) for number, centre in found.items()}
            assert {number: round(centre[1]) for number, centre in found.items()} == first

    def test_two_who_pass_each_other_keep_theirs(self) -> None:
        """Where they meet one hides the other; after that, motion tells who is who."""
        tracker = Tracker()
        for i in range(61):
            left, right = 100 + 4 * i, 340 - 4 * i
            if abs(left - right) < 24:
                found = update(tracker, (left, 100))
            else:
                found = update(tracker, (left, 100), (right, 104))
            if i == 0:
                first = min(found, key=lambda n: found[n][0])
        assert len(found) == 2
        assert max(found, key=lambda n: found[n][0]) == first

    def test_who_seems_to_stop_before_being_hidden(self) -> None:
        """What comes before a face covers more and more of it, so that its box slows down; it comes out further on."""
        tracker = Tracker()
        for i in range(30):
            x = 100 + 8 * min(i, 26) + 2 * max(0, i - 26)
            update(tracker, (x, 100))
        for _ in range(6):
            update(tracker)
        expected = tracker._followed[0].motion.box()
        assert expected[2] < 100 + 8 * 36 - 20 + 15  # which hardly overlap
        assert set(update(tracker, (100 + 8 * 36, 100), (100, 100))) == {1, 2}

    def test_a_face_of_another_size_or_place_is_another(self) -> None:
        for other in ((100, 100, 0.9, 100), (100, 100, 0.9, 16), (150, 100, 0.9, 40)):
            tracker = Tracker()
            for _ in range(10):
                update(tracker, (100, 100))
            for _ in range(6):
                update(tracker)
            tracks = tracker.update([face(*other)], [points(100, 100)])
            assert tracks.ids.tolist() == [2]

    def test_a_gap_is_carried_and_then_remembered(self) -> None:
        tracker = Tracker(fps=25, carry=0.2, remember=1.0)
        for i in range(20):
            update(tracker, (100 + 3 * i, 100))
        for i in range(20, 25):
            ((number, centre),) = update(tracker).items()
            assert number == 1 and abs(centre[0] - (100 + 3 * i)) < 8, i
        assert update(tracker) == {}
        assert set(update(tracker, (100 + 3 * 26, 100))) == {1}
        for _ in range(30):
            update(tracker)
        assert set(update(tracker, (178, 100))) == {2}

    def test_bad_scores_go_on_but_do_not_begin(self) -> None:
        tracker = Tracker()
        assert update(tracker, (100, 100, 0.5)) == {}
        update(tracker, (100, 100, 0.9))
        for _ in range(20):
            assert set(update(tracker, (100, 100, 0.4), (300, 100, 0.4))) == {1}
        for _ in range(20):  # but not for ever
            last = update(tracker, (100, 100, 0.4))
        assert last == {}

    def test_uneven_times(self) -> None:
        """A face that moves evenly in time, at pictures that come unevenly."""
        rng = np.random.default_rng(3)
        times = np.cumsum(rng.choice([0.02, 0.04, 0.15], 60))
        tracker = Tracker()
        assert all(set(update(tracker, (100 + 150 * t, 100), seconds=float(t))) == {1} for t in times)

    def test_pictures_that_are_far_apart(self) -> None:
        """Whoever is in the one is known in the next, however long that takes; who is not there is forgotten."""
        tracker = Tracker(remember=1.0)
        for i in range(4):
            assert set(update(tracker, (100, 100), seconds=7 * i)) == {1}
        assert update(tracker, seconds=28) == {}
        assert set(update(tracker, (100, 100), seconds=35)) == {2}

    def test_points_of_any_shape(self) -> None:
        marks = points(100, 100)[None]
        first, second = Tracker(), Tracker()
        a = first.update([face(100, 100)], marks)
        b = second.update([face(100, 100)], marks.reshape(1, 2, 5).transpose(0, 2, 1))
        np.testing.assert_array_equal(a.landmarks, marks)
        np.testing.assert_array_equal(b.landmarks, marks)

    def test_reset_goes_on_counting(self) -> None:
        tracker = Tracker()
        update(tracker, (100, 100))
        tracker.reset()
        assert set(update(tracker, (100, 100), seconds=0)) == {2}


class TestParts:
    def test_assignment_is_the_best_of_all(self) -> None:
        shares = np.array([[0.6, 0.5], [0.55, 0.1]])
        assert sorted(assign(shares, 0.2)) == [(0, 1), (1, 0)]  # a greedy one takes 0.6, and then 0.1
        assert assign(shares, 0.58) == [(0, 0)]
        assert assign(np.empty((0, 3)), 0.1) == []

    def test_overlaps(self) -> None:
        a = np.array([[0, 0, 10, 10], [100, 100, 110, 120]], float)
        np.testing.assert_allclose(overlaps(a, a + 5), [[25 / 175, 0], [0, 75 / 325]])

    def test_nearness(self) -> None:
        a = np.array([[0, 0, 40, 40]], float)
        b = np.array([[0, 0, 40, 40], [20, 0, 60, 40], [0, 40, 40, 80], [0, 0, 70, 70], [0, 0, 20, 20]], float)
        np.testing.assert_allclose(nearness(a, b), [[1, 0.5, 0, 0, 0]])
        assert nearness(a[:0], b).shape == (0, 5) and nearness(a, b[:0]).shape == (1, 0)

    def test_motion_finds_the_velocity(self) -> None:
        motion = BoxMotion(np.array([0, 0, 40, 50], float))
        for i in range(1, 40):
            motion.predict(0.04)
            motion.update(np.array([4 * i, 2 * i, 4 * i + 40, 2 * i + 50], float))
        motion.predict(0.4)
        np.testing.assert_allclose(motion.box(), [196, 98, 236, 148], atol=3)

    def test_smoothing_is_calm_and_has_no_lag(self) -> None:
        rng = np.random.default_rng(0)
        noise = rng.normal(0, 1, (200, 10))
        still = OneEuro()
        calm = np.array([still(50 + n, 0.04, 100.0) for n in noise])[50:]
        assert calm.std() < 0.6 * noise.std()
        moving = OneEuro()
        x = np.array([moving(np.full(10, 8.0 * i), 0.04, 100.0) for i in range(100)])  # two faces a second
        assert np.abs(x[50:] - 8.0 * np.arange(50, 100)[:, None]).max() < 4  # half a picture's way


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Tracker(every=0), "every must be 1"),
        (lambda: Tracker(low_score=2), "low_score must be"),
        (lambda: Tracker(carry=-1), "carry must be"),
        (lambda: Tracker(fps=0), "fps must be"),
        (lambda: Tracker().step(np.zeros((9, 9, 3), np.uint8)), "detector must be given"),
        (lambda: Tracker().update(np.zeros((1, 5)), np.zeros((2, 10))), "dets must be"),
        (lambda: Tracker().update(np.full((1, 5), np.nan), np.zeros((1, 10))), "NaN"),
        (lambda: Tracker().update([[0, 0, 9, 9, 0.9]], np.full((1, 10), np.nan)), "landmarks.* NaN"),
        (lambda: Tracker().update([[0, 0, 9, 1e300, 0.9]], np.zeros((1, 10))), "dets must lie within 1e"),
        (lambda: Tracker().update([[0, 0, 9, 9, 0.9]], np.full((1, 10), 1e10)), "landmarks must lie within 1e"),
        (lambda: _backwards(), "seconds must rise"),
    ],
)
def test_wrong_arguments(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def _backwards() -> None:
    tracker = Tracker()
    for seconds in (1.0, 0.5):
        tracker.update(np.empty((0, 5)), np.empty((0, 10)), seconds)


class TestRefine:
    def test_it_finds_what_detection_finds(self, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        dets, landmarks = detector.detect(astronaut)
        for shift in (0, 6, -6):
            got, marks = detector.refine(astronaut, dets[:, :4] + shift)
            assert len(got) == 1 and overlaps(got, dets)[0, 0] > 0.85
            assert np.abs(marks - landmarks).max() < 6
        assert len(detector.refine(astronaut, [[10, 300, 60, 350]])[0]) == 0
        assert detector.refine(astronaut, [])[0].shape == (0, 5)

    def test_far_and_empty_boxes_are_no_faces(self, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        strange = [[-1e6, -1e6, 1e6, 1e6], [900, 900, 950, 950], [50, 50, 40, 40], [60, 60, 60, 60]]
        assert len(detector.refine(astronaut, strange)[0]) == 0

    @pytest.mark.parametrize(
        ("boxes", "said"),
        [
            ([1, 2, 3, 4], "boxes must have the shape"),
            ([[0, 0, 9, np.nan]], "within 1e"),
            ([[0, 0, 9, 2e6]], "within 1e"),
            (np.zeros((10_001, 4)), "10000 at most"),
        ],
    )
    def test_wrong_boxes(self, detector: TrtMtcnn, astronaut: np.ndarray, boxes: Any, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            detector.refine(astronaut, boxes)

    @pytest.mark.parametrize("mode", ["plain", "asynchronous"])
    def test_the_gpus_code_refines_as_the_cpus(self, detector: TrtMtcnn, astronaut: np.ndarray, mode: str) -> None:
        boxes = detector.detect(astronaut)[0][:, :4] + np.float32([[4], [-30]]).reshape(2, 1)
        with emulated_detector(mode) as gpu:
            for _ in range(2):
                for a, b in zip(gpu.refine(astronaut, boxes), detector.refine(astronaut, boxes)):
                    np.testing.assert_allclose(a, b, atol=0.05)
            np.testing.assert_allclose(gpu.detect(astronaut)[0], detector.detect(astronaut)[0], atol=0.05)


class TestFilm:
    @pytest.fixture
    def large(self, engines: dict[str, Path]) -> Iterator[TrtMtcnn]:
        with TrtMtcnn(device="cpu", minsize=60) as made:
            yield made

    def moving(self, astronaut: np.ndarray, count: int, comes_at: int = 0) -> list[tuple[np.ndarray, float]]:
        """A face that moves by three pixels a picture; before `comes_at` there is none."""
        pictures = []
        for i in range(count):
            img = np.full((360, 480, 3), 90, np.uint8)
            if i >= comes_at:
                img[60:300, 40 + 3 * i : 40 + 3 * i + 200] = astronaut[0:240, 130:330]
            pictures.append((img, i / 25))
        return pictures

    @pytest.mark.parametrize("every", [1, 5, 100])
    def test_between_detections_the_face_is_where_detection_finds_it(
        self, large: TrtMtcnn, astronaut: np.ndarray, every: int
    ) -> None:
        pictures = self.moving(astronaut, 12)
        tracks = list(Tracker(large, every=every).follow(iter(pictures)))
        assert [t.detected for t in tracks] == [i % every == 0 for i in range(12)]
        for (img, _), seen in zip(pictures, tracks):
            dets, _ = large.detect(img)
            assert seen.ids.tolist() == [1] and seen.found.all()
            assert overlaps(seen.dets, dets)[0].max() > 0.8

    @pytest.mark.parametrize("interval", [0.5, 5.0])
    def test_films_of_few_pictures_a_second(self, large: TrtMtcnn, astronaut: np.ndarray, interval: float) -> None:
        pictures = [(img, i * interval) for i, (img, _) in enumerate(self.moving(astronaut, 8))]
        for seen in Tracker(large, every=6).follow(pictures):
            assert seen.ids.tolist() == [1] and seen.found.all()

    @pytest.mark.parametrize(
        ("pictures", "said"),
        [
            (5, "pictures must be"),
            ([np.zeros((9, 9, 3), np.uint8)], "got ndarray as pictures.0."),
            ([(1, 2, 3)], "pairs"),
        ],
    )
    def test_no_pictures(self, large: TrtMtcnn, pictures: Any, said: str) -> None:
        with pytest.raises(TypeError, match=said):
            list(Tracker(large).follow(pictures))

    def test_pictures_that_wait_are_bounded(
        self, large: TrtMtcnn, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever `every` is; what comes in late is then followed back as far as pictures are held."""
        pictures = self.moving(astronaut, 12, comes_at=3)
        monkeypatch.setattr(tracker, "_MOST_HELD", 4 * pictures[0][0].nbytes)
        read = []

        def reading() -> Iterator[tuple[np.ndarray, float]]:
            for picture in pictures:
                read.append(picture)
                yield picture

        late, found = [], []
        for i, tracks in enumerate(Tracker(large, every=10).follow(reading())):
            late.append(len(read) - i)
            found.append(len(tracks))
        assert max(late) <= 5 and found == [0] * 6 + [1] * 6

    def test_what_is_new_is_followed_back_to_where_it_came(self, large: TrtMtcnn, astronaut: np.ndarray) -> None:
        pictures = self.moving(astronaut, 12, comes_at=3)
        assert [len(t) for t in Tracker(large, every=6).follow(iter(pictures))] == [0] * 3 + [1] * 9
        tracker = Tracker(large, every=6)
        assert [len(tracker.step(*picture)) for picture in pictures] == [0] * 6 + [1] * 6
