"""The accuracy benchmark's evaluators, against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.accuracy import wider
from benchmarks.accuracy.landmarks import nearest_face, point_error, point_scores
from benchmarks.accuracy.verification import best_threshold, ten_fold


def test_a_missing_evaluator_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.accuracy import other_pictures

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["other_pictures"])
    monkeypatch.setattr(other_pictures, "read_set", None)
    with pytest.raises(SystemExit, match="^average precision needs pycocotools: pip install pycocotools$"):
        other_pictures.main()


class TestBoxes:
    """Labels are 10 x 10 boxes in a row, 20 apart; x1, y1, x2, y2 of detections are inclusive."""

    @staticmethod
    def evaluate(labels: list[tuple[int, int, int]], dets: dict[int, list[Any]], images: int = 1) -> Any:
        pytest.importorskip("pycocotools")
        from benchmarks.accuracy.average_precision import evaluate_boxes

        annotations = [
            {"image_id": image, "bbox": [x, 0, 10, 10], "ignore": ignore, "category_id": 1}
            for image, x, ignore in labels
        ]
        rows = {image: np.array(boxes, np.float64).reshape(-1, 5) for image, boxes in dets.items()}
        return evaluate_boxes({"images": [{"id": i} for i in range(1, images + 1)], "annotations": annotations}, rows)

    @staticmethod
    def at(x: float, score: float) -> list[float]:
        return [x, 0, x + 9, 9, score]

    def test_all_found(self) -> None:
        scores = self.evaluate([(1, 0, 0), (1, 20, 0)], {1: [self.at(0, 0.9), self.at(20, 0.8)]})
        assert scores.summary() == {"ap": pytest.approx(1), "recall": 1, "false_positives": 0}

    def test_false_positive_between(self) -> None:
        """Precision is 1 up to recall 0.5 and 2/3 beyond: 51 points of recall at 1, 50 at 2/3."""
        scores = self.evaluate(
            [(1, 0, 0), (2, 20, 0)], {1: [self.at(0, 0.9), self.at(60, 0.8)], 2: [self.at(20, 0.7)]}, images=2
        )
        assert scores.ap == pytest.approx((51 + 50 * 2 / 3) / 101)
        assert scores.recall == 1 and scores.false_positives == 0.5
        np.testing.assert_allclose(scores.curve, [[0.9, 0.5, 0], [0.8, 0.5, 0.5], [0.7, 1, 0.5]])
        assert scores.at_false_positives(0.4) == (0.5, 0.9)
        assert scores.at_false_positives(0.5) == (1.0, 0.7)

    def test_second_detection_of_a_face_is_false(self) -> None:
        scores = self.evaluate([(1, 0, 0)], {1: [self.at(0, 0.9), self.at(1, 0.8)]})
        assert scores.recall == 1 and scores.false_positives == 1 and scores.ap == pytest.approx(1)

    def test_ignored_face_counts_neither_way(self) -> None:
        labels = [(1, 0, 0), (1, 20, 1)]
        without = self.evaluate(labels, {1: [self.at(0, 0.9)]}).summary()
        on_it = self.evaluate(labels, {1: [self.at(20, 0.95), self.at(0, 0.9)]}).summary()
        assert without == on_it == {"ap": pytest.approx(1), "recall": 1, "false_positives": 0}

    def test_small_box_inside_an_ignored_face_is_false(self) -> None:
        inside = [22, 2, 25, 5, 0.95]  # 16 of 100 pixels
        scores = self.evaluate([(1, 0, 0), (1, 20, 1)], {1: [inside, self.at(0, 0.9)]})
        assert scores.false_positives == 1 and scores.ap == pytest.approx(0.5)

    def test_ignored_face_takes_none_from_a_labelled_one(self) -> None:
        """A detection between both, nearer to the ignored one, still finds the labelled one."""
        scores = self.evaluate([(1, 0, 0), (1, 4, 1)], {1: [self.at(3, 0.9)]})
        assert scores.recall == 1 and scores.false_positives == 0

    def test_boxes_are_inclusive(self) -> None:
        """5 of 10 columns are an overlap of exactly 0.5; taken as exclusive it would be less."""
        assert self.evaluate([(1, 0, 0)], {1: [[0, 0, 4, 9, 0.9]]}).recall == 1
        assert self.evaluate([(1, 0, 0)], {1: [[0, 0, 3.9, 9, 0.9]]}).recall == 0

    def test_more_than_a_hundred_faces(self) -> None:
        labels = [(1, 20 * i, 0) for i in range(150)]
        scores = self.evaluate(labels, {1: [self.at(20 * i, 1 - i / 1000) for i in range(150)]})
        assert scores.recall == 1 and scores.ap == pytest.approx(1)

    def test_nothing_found(self) -> None:
        scores = self.evaluate([(1, 0, 0)], {})
        assert scores.summary() == {"ap": 0, "recall": 0, "false_positives": 0}
        assert scores.at_false_positives(1) == (0.0, 1.0)


class TestPoints:
    TRUTH = (10, 30, 20, 12, 28, 10, 10, 20, 30, 30)  # eyes 20 pixels apart

    def test_error(self) -> None:
        """One point of five 3 right and 4 down: 5 pixels, a mean of 1, 5% of 20."""
        found = list(self.TRUTH)
        found[2] += 3
        found[7] += 4
        assert point_error(found, self.TRUTH) == pytest.approx(5)
        assert point_error(self.TRUTH, self.TRUTH) == 0

    def test_nearest_face(self) -> None:
        dets = np.array([[0, 0, 100, 100, 0.99], [10, 10, 30, 30, 0.7], [20, 20, 40, 40, 0.8]])
        assert nearest_face(dets, self.TRUTH) == 1  # the points' mean is (20, 20)
        assert nearest_face(np.empty((0, 5)), self.TRUTH) is None

    def test_scores(self) -> None:
        """All points 1 or 3 pixels to the right: means of 5 and 15%; but for the mean of that, 1 pixel, 5%."""
        there = np.array(self.TRUTH, float)
        right = np.array([1.0] * 5 + [0] * 5)
        scores = point_scores([there + right, None, there + 3 * right], [there] * 3)
        assert (scores.nme, scores.scatter, scores.missed) == (pytest.approx(10), pytest.approx(5), 1)
        assert scores.interval == (pytest.approx(5), pytest.approx(15))
        assert np.isnan(point_scores([None], [there]).nme)


class TestVerification:
    def test_best_threshold(self) -> None:
        d, same = np.array([0.9, 0.1, 0.5, 0.7]), np.array([False, True, True, False])
        assert best_threshold(d, same) == pytest.approx(0.6)
        assert best_threshold(np.array([0.2, 0.4]), np.array([True, True])) > 0.4
        assert best_threshold(np.array([0.2, 0.4]), np.array([False, False])) < 0.2

    def test_thresholds_come_from_the_other_folds(self) -> None:
        """Fold 0 (pairs 0 and 10) has its own scale: by the others' threshold it is all wrong."""
        same = np.arange(20) < 10
        d = np.where(same, 0.2, 0.8)
        d[[0, 10]] = 0.9, 0.1
        scores = ten_fold(d, same)
        assert scores.accuracy == pytest.approx(90)
        assert scores.standard_error == pytest.approx(100 * np.sqrt(0.9**2 + 9 * 0.1**2) / 3 / np.sqrt(10))

    def test_missed_pairs_are_wrong(self) -> None:
        same = np.arange(20) < 10
        d = np.where(same, 0.2, 0.8)
        d[[1, 11]] = np.nan  # a pair that is the same, and one that is not
        scores = ten_fold(d, same)
        assert scores.accuracy == pytest.approx(90) and scores.missed == 2


class TestWider:
    @staticmethod
    def photo(name: str, faces: list[list[float]], counted: list[bool]) -> wider.Photo:
        return wider.Photo(name, Path(name), np.array(faces, np.float64), {"easy": np.array(counted)})

    @staticmethod
    def det(face: list[float], score: float) -> list[float]:
        x, y, w, h = face
        return [x, y, x + w - 1, y + h - 1, score]

    def test_by_hand(self) -> None:
        """Three faces count. By falling score: found, wrong, ignored, found, found twice (wrong); one never found.

        Recall and precision go 1/3 and 1, 1/3 and 1/2, (ignored), 2/3 and 2/3, 2/3 and 2/4: area 1/3 + 1/3 * 2/3.
        """
        a, b, c, ignored = [0, 0, 20, 20], [50, 0, 20, 20], [0, 0, 30, 30], [100, 0, 20, 20]
        photos = [self.photo("1", [a, b, ignored], [True, True, False]), self.photo("2", [c], [True])]
        dets: dict[str, NDArray[Any]] = {
            "1": np.array([self.det(a, 0.9), self.det(ignored, 0.7), self.det(b, 0.6), self.det(b, 0.5)]),
            "2": np.array([self.det([200, 0, 20, 20], 0.8), self.det([300, 0, 20, 20], 0.1)]),
        }
        assert wider.average_precision(photos, dets, "easy") == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)

    def test_perfect_and_nothing(self) -> None:
        photos = [self.photo("1", [[0, 0, 20, 20], [50, 0, 20, 20]], [True, True])]
        dets = np.array([self.det([0, 0, 20, 20], 1.0), self.det([50, 0, 20, 20], 0.5), [300, 0, 320, 20, 0.1]])
        assert wider.average_precision(photos, {"1": dets}, "easy") == pytest.approx(1)
        assert wider.average_precision(photos, {}, "easy") == 0

    def test_overlap_is_as_the_evaluation_counts(self) -> None:
        """10 x 10 and 10 x 5 pixels: corners at x + width, counted inclusively, make them 11 x 11 and 11 x 6."""
        overlap = wider.overlap(np.array([0.0, 0, 9, 4]), np.array([[0.0, 0, 10, 10]]))
        assert overlap == pytest.approx([6 / 11])

    def test_reads_its_files(self, tmp_path: Path) -> None:
        scipy_io = pytest.importorskip("scipy.io")
        split, truth = tmp_path / "wider_face_split", tmp_path / "eval_tools" / "ground_truth"
        (tmp_path / "WIDER_val" / "images" / "0--Parade").mkdir(parents=True)
        split.mkdir()
        truth.mkdir(parents=True)
        (split / "wider_face_val_bbx_gt.txt").write_text(
            "0--Parade/one.jpg\n2\n10 20 30 40 0 0 0 0 0 0\n1 2 3 4 2 0 0 0 0 0\n"
            "0--Parade/none.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n1--Handshaking/two.jpg\n1\n5 6 7 8 0 0 0 0 0 0\n"
        )

        def cells(values: list[Any]) -> NDArray[Any]:
            column = np.empty((len(values), 1), object)
            for i, value in enumerate(values):
                column[i, 0] = value
            return column

        for setting, first in [("easy", [[1]]), ("medium", [[1], [2]]), ("hard", [[1], [2]])]:
            empty = np.empty((0, 0), np.uint8)
            content = {
                "event_list": cells(["0--Parade", "1--Handshaking"]),
                "file_list": cells([cells(["one", "none"]), cells(["two"])]),
                "gt_list": cells([cells([np.array(first, np.uint8), empty]), cells([empty])]),
            }
            scipy_io.savemat(truth / f"wider_{setting}_val.mat", content)

        one, none, two = wider.read_set(tmp_path)
        assert one.name == "0--Parade/one.jpg" and one.path == tmp_path / "WIDER_val" / "images" / one.name
        assert one.faces.tolist() == [[10, 20, 30, 40], [1, 2, 3, 4]]
        assert [one.counted[s].tolist() for s in wider.SETTINGS] == [[True, False], [True, True], [True, True]]
        assert none.faces.shape == (0, 4) and two.faces.tolist() == [[5, 6, 7, 8]]
        assert not two.counted["hard"].any()

    def test_says_what_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit, match="holds no wider_face_val_bbx_gt.txt"):
            wider.read_set(tmp_path)


def test_the_name_of_a_row_stays_in_its_cell() -> None:
    """--also may be broken over lines of the shell, and parameters are any."""
    compare = pytest.importorskip("benchmarks.accuracy.compare")
    assert compare.one_line('fast factor=0.79\n    "rotations=[0, 90]"\tname=a|b') == (
        'fast factor=0.79 "rotations=[0, 90]" name=a\\|b'
    )


@pytest.mark.parametrize("timed", [True, False])
def test_untimed(timed: bool, tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    """Boxes of one detection a picture, and no time, which on a busy machine would say nothing."""
    pytest.importorskip("pycocotools")
    compare = pytest.importorskip("benchmarks.accuracy.compare")
    folder = tmp_path / "wider100"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), astronaut)
    face = {"image_id": 1, "category_id": 1, "ignore": 0, "bbox": [180, 70, 80, 110]}
    labels = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [face]}
    (folder / "annotations.json").write_text(json.dumps(labels))
    detector = compare.ours("fast")
    results: dict[str, Any] = {detector.name: {}}
    try:
        compare.measure_boxes([detector], tmp_path, 60, results, timed=timed)
    finally:
        detector.close()
    boxes = results[detector.name]["boxes"]
    assert boxes["recall"] == 1
    assert boxes["ms"] > 0 if timed else boxes["ms"] is None
