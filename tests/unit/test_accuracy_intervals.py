"""The accuracy benchmark's intervals, views of a picture and enlarged faces, against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import bootstrap, large_faces, other_pictures, stability
from benchmarks.accuracy.landmarks import point_scores, scatter_in_draws


def outcomes(*detections: tuple[float, bool, int], faces: tuple[float, ...]) -> bootstrap.Outcomes:
    scores, right, image = zip(*detections, strict=True)
    return bootstrap.Outcomes(np.array(scores), np.array(right), np.array(image), np.array(faces))


class TestBootstrap:
    """Pictures are drawn with replacement."""

    def test_the_first_draw_is_the_set(self) -> None:
        rows = bootstrap.draws(7, count=50)
        assert rows.shape == (51, 7)
        assert (rows[0] == 1).all()
        assert (rows.sum(axis=1) == 7).all()
        assert (rows[1:] != 1).any(axis=1).all()

    def test_draws_are_the_same_each_time(self) -> None:
        np.testing.assert_array_equal(bootstrap.draws(9, 10), bootstrap.draws(9, 10))

    def test_figures_by_hand(self) -> None:
        """Two pictures with two faces: right, wrong, right; the third face is never found."""
        made = outcomes((0.9, True, 0), (0.8, False, 1), (0.7, True, 1), faces=(2.0, 2.0))
        figures = bootstrap.box_figures(made, np.ones(2))
        # precision 1 up to a recall of 1/4, then 2/3 up to 1/2: 26 and 25 of 101 points
        assert figures["ap"] == pytest.approx((26 + 25 * 2 / 3) / 101)
        assert figures["recall_at_0.1"] == pytest.approx(0.25)
        assert figures["recall_at_0.5"] == pytest.approx(0.5)

    def test_a_picture_that_is_drawn_twice_counts_twice(self) -> None:
        made = outcomes((0.9, True, 0), (0.8, False, 1), (0.7, True, 1), faces=(2.0, 2.0))
        assert bootstrap.box_figures(made, np.array([2.0, 0.0]))["recall_at_0.1"] == pytest.approx(0.5)
        assert bootstrap.box_figures(made, np.array([0.0, 2.0]))["recall_at_0.1"] == 0

    def test_the_interval_of_coins(self) -> None:
        """100 throws, half of them heads: 95% within about 0.5 -+ 1.96 * 0.05."""
        heads, one = np.arange(100) % 2.0, np.ones(100)
        found = bootstrap.interval([bootstrap.share(heads, one, w) for w in bootstrap.draws(100)])
        assert found.value == 0.5
        assert found.low == pytest.approx(0.402, abs=0.015)
        assert found.high == pytest.approx(0.598, abs=0.015)

    def test_differences_are_of_the_same_draws(self) -> None:
        values = np.random.default_rng(0).random(100)
        found = bootstrap.difference({"a": values + 0.1, "b": values}, {"a": values})
        assert list(found) == ["a"]
        assert [found["a"].value, found["a"].low, found["a"].high] == pytest.approx([0.1] * 3)


class TestViews:
    """A picture moved by whole pixels, and at three scales."""

    def test_a_square_is_where_its_box_is(self) -> None:
        img = np.zeros((60, 80, 3), np.uint8)
        img[20:40, 30:50] = 255
        faces = np.array([[30.0, 20, 20, 20]])
        seen = list(stability.views(img, faces))
        assert len(seen) == stability.VIEWS == 19
        for view, (box,) in seen:
            rows, columns = np.nonzero(view[..., 0] > 127)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(edges, [box[0], box[1], box[0] + box[2], box[1] + box[3]], atol=1)

    def test_found(self) -> None:
        faces = np.array([[0.0, 0, 10, 10], [100, 0, 10, 10]])
        dets = np.array([[0.0, 0, 9, 19, 0.9], [104, 0, 113, 9, 0.9]])  # overlaps of 1/2 and of 3/7
        np.testing.assert_array_equal(stability.found_faces(dets, faces), [True, False])
        np.testing.assert_array_equal(stability.found_faces(np.empty((0, 5)), faces), [False, False])


class TestLargeFaces:
    """A face cut out of its photograph and enlarged."""

    POINTS = np.array([40.0, 60, 50, 42, 58, 40, 40, 50, 60, 60])  # eyes 20 apart, mouth 20 below

    def test_the_square(self) -> None:
        np.testing.assert_allclose(large_faces.face_square(self.POINTS, 2.6), [24, 24, 52, 52])

    def test_cut_and_enlarged(self) -> None:
        img = np.zeros((150, 150, 3), np.uint8)
        img[24:76, 24:76] = 255
        part, face = large_faces.cut(img, self.POINTS)
        assert part.shape == (64, 64, 3)
        np.testing.assert_allclose(face, [[6, 6, 52, 52]])
        picture, faces = large_faces.enlarged(part, face, 640)
        assert picture.shape == (640, 640, 3)
        np.testing.assert_allclose(faces, [[60, 60, 520, 520]])
        rows, columns = np.nonzero(picture[..., 0] > 127)
        np.testing.assert_allclose(
            [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], [60, 60, 580, 580], atol=2
        )

    def test_at_the_edge(self) -> None:
        part, face = large_faces.cut(np.zeros((60, 60, 3), np.uint8), self.POINTS)
        assert part.shape == (42, 42, 3)
        np.testing.assert_allclose(face, [[6, 6, 52, 52]])


class TestScatter:
    def test_in_draws_by_hand(self) -> None:
        """Points 3 and 1 to the right of labels whose eyes are 10 apart: 2 on average, 1 from there."""
        truth = np.array([[0.0, 10, 5, 2, 8, 0, 0, 5, 9, 9]] * 3)
        right = np.array([1.0] * 5 + [0.0] * 5)
        found = [truth[0] + 3 * right, None, truth[2] + right]
        weights = np.array([[1.0, 1, 1], [1, 5, 0], [3, 0, 1]])
        scatter = scatter_in_draws(found, truth, weights)
        np.testing.assert_allclose(scatter, [10, 0, 7.5])
        assert point_scores(found, truth).scatter == pytest.approx(10)
        assert np.isnan(scatter_in_draws([None], truth[:1], weights[:, :1])).all()


class TestOtherPictures:
    """Settings side by side on changed photographs."""

    @pytest.mark.parametrize("name", other_pictures.CHANGES)
    def test_labels_go_with_the_pixels(self, name: str) -> None:
        img = np.full((120, 160, 3), 20, np.uint8)
        img[30:70, 50:110] = 120
        labels = {"images": [{"id": 7}], "annotations": [{"image_id": 7, "bbox": [50, 30, 60, 40]}]}
        view = other_pictures.CHANGES[name]
        changed = view.change(img)
        (face,) = other_pictures.moved_labels(labels, view, {7: 160})["annotations"]
        rows, columns = np.nonzero(changed[..., 0] > changed.max() / 2)
        edges = [columns.min(), rows.min(), columns.max() + 1 - columns.min(), rows.max() + 1 - rows.min()]
        np.testing.assert_allclose(face["bbox"], edges, atol=2.1)
        assert face["ignore"] == 0 and changed.dtype == np.uint8

    def test_faces_that_are_too_small_there_are_ignored(self) -> None:
        labels = {"annotations": [{"image_id": 1, "bbox": [0, 0, 50, 30]}, {"image_id": 1, "bbox": [0, 0, 90, 45]}]}
        halved = other_pictures.moved_labels(labels, other_pictures.CHANGES["scale 0.5"], {1: 200})
        assert [face["ignore"] for face in halved["annotations"]] == [1, 0]

    def test_sides(self) -> None:
        labels = {"annotations": [{"image_id": 1, "bbox": [0, 0, 90, side]} for side in (11, 12, 19, 20)]}
        moved = other_pictures.moved_labels(labels, other_pictures.CHANGES["as it is"], {}, (12, 20))
        assert [face["ignore"] for face in moved["annotations"]] == [1, 0, 0, 1]

    def test_only_faces(self) -> None:
        labels = {
            "annotations": [{"pose": 1, "ignore": 0}, {"pose": 1, "ignore": 1}, {"pose": 0, "ignore": 0}, {"ignore": 0}]
        }
        assert [f["ignore"] for f in other_pictures.only_faces(labels, "pose=1")["annotations"]] == [0, 1, 1, 1]

    def test_views_are_drawn_with_their_pictures(self) -> None:
        good = outcomes((0.9, True, 0), (0.6, False, 1), faces=(1.0, 1.0))
        other = outcomes((0.8, False, 0), (0.7, True, 1), faces=(1.0, 1.0))
        both = other_pictures.joined([good, other])
        assert both.scores.tolist() == [0.9, 0.8, 0.7, 0.6] and both.image.tolist() == [0, 2, 3, 1]
        assert both.right.tolist() == [True, False, True, False] and both.faces.tolist() == [1, 1, 1, 1]
        first = other_pictures.figures_of(both, np.array([[1.0, 0], [0, 1]]), "recall_at_1")
        assert first.tolist() == [0.5, 0.5]  # of each picture's two faces one

    def test_films_are_one_source(self, tmp_path: Path) -> None:
        names = ["a-1.jpg", "a-2.jpg", "b.jpg"]
        file = tmp_path / "labels.json"
        file.write_text(json.dumps({"images": [{"id": i, "file_name": n} for i, n in enumerate(names)]}))
        assert other_pictures.read_set(file, r"[a-z]-").sources.tolist() == [0, 0, 1]
        assert len(set(other_pictures.read_set(file).sources)) == 3

    def test_the_best_of_a_half(self) -> None:
        """A setting that finds all faces is chosen each time, whatever stands first."""
        best, none = (outcomes(*((0.9, right, i) for i in range(8)), faces=(1.0,) * 8) for right in (True, False))
        chosen = other_pictures.chosen_on_half({"none": none, "best": best}, np.arange(8), "recall_at_1")
        assert (chosen["chosen"], chosen["first"], chosen["times"]) == (
            1,
            0,
            {"none": 0, "best": other_pictures.SPLITS},
        )
