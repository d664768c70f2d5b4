"""Each native operation alone, beside plain NumPy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import pytrt
from mtcnn.cascade import pyramid
from pytrt import testing
from tests.conftest import ROOT
from tests.reference import resize
from tests.reference.nms import nms
from tests.support.compare_ops import MODES, difference, noise, plain_crops, plain_proposals, plain_resize, random_boxes

Image = NDArray[np.uint8]
TOLERANCE = 2e-5  # in the networks' units, of which 256 gray levels span 2

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 70)
MODE = st.sampled_from(MODES)


def picture(seed: int, height: int, width: int) -> Image:
    return noise(np.random.default_rng(seed), height, width)


class TestNms:
    @given(
        seed=SEEDS,
        # The grid takes over from 128 boxes and a threshold of 0.1.
        count=st.one_of(st.integers(1, 127), st.integers(128, 500)),
        threshold=st.one_of(st.sampled_from([0, 0.099, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1]), st.floats(0, 1, width=32)),
        overlap=st.sampled_from(["union", "min"]),
        spread=st.sampled_from([20.0, 300.0, 5000.0]),
        longest=st.sampled_from([3.0, 100.0, 2000.0]),
        whole=st.booleans(),
        narrower=st.sampled_from([0, 0, 5, 100]),  # by so much that some have no area
    )
    @settings(max_examples=300)
    def test_as_plain(
        self,
        seed: int,
        count: int,
        threshold: float,
        overlap: str,
        spread: float,
        longest: float,
        whole: bool,
        narrower: float,
    ) -> None:
        boxes, scores = random_boxes(np.random.default_rng(seed), count, spread, longest)
        boxes[:, 2] -= np.float32(narrower)
        if whole:
            boxes = np.trunc(boxes)
        kept = pytrt.nms(boxes, scores, threshold, overlap)
        np.testing.assert_array_equal(kept, nms(boxes, scores, np.float32(threshold), overlap))

    @given(seed=SEEDS, count=st.integers(1, 300), groups=st.integers(1, 12), threshold=st.sampled_from([0.2, 0.5, 0.7]))
    def test_groups_do_not_touch_each_other(self, seed: int, count: int, groups: int, threshold: float) -> None:
        rng = np.random.default_rng(seed)
        boxes, scores = random_boxes(rng, count, 100, 60)
        # Any int32 may name a group.
        group = rng.integers(-(2**31), 2**31, groups)[rng.integers(0, groups, count)]
        kept = pytrt.nms(boxes, scores, threshold, groups=group)
        for g in np.unique(group):
            mine = np.flatnonzero(group == g)
            ours = kept[group[kept] == g]
            np.testing.assert_array_equal(ours, mine[nms(boxes[mine], scores[mine], np.float32(threshold))])
        assert (np.diff(scores[kept]) <= 0).all()

    @given(seed=SEEDS, count=st.integers(1, 300), keep=st.integers(0, 40))
    def test_keep_takes_the_best(self, seed: int, count: int, keep: int) -> None:
        boxes, scores = random_boxes(np.random.default_rng(seed), count, 200, 60)
        np.testing.assert_array_equal(pytrt.nms(boxes, scores, 0.5, keep=keep), pytrt.nms(boxes, scores, 0.5)[:keep])

    @pytest.mark.parametrize("count", [5, 1000])
    @pytest.mark.parametrize("overlap", ["union", "min"])
    def test_ties_go_to_the_lower_index(self, count: int, overlap: str) -> None:
        boxes = np.tile(np.array([[10, 10, 19, 19]], np.float32), (count, 1))
        assert pytrt.nms(boxes, np.ones(count), 0.5, overlap).tolist() == [0]
        apart = boxes + np.arange(count, dtype=np.float32)[:, np.newaxis] * 100
        assert pytrt.nms(apart, np.ones(count), 0.5, overlap).tolist() == list(range(count))

    @pytest.mark.parametrize("count", [3, 300])
    def test_an_overlap_of_exactly_the_threshold_stays(self, count: int) -> None:
        # Each box overlaps the one before by half its area: a third of the union.
        x = np.arange(count, dtype=np.float32) * 5
        boxes = np.stack([x, np.zeros(count), x + 9, np.full(count, 9)], axis=1)
        scores = np.linspace(1, 0.5, count)
        assert len(pytrt.nms(boxes, scores, 0.5, "min")) == count
        assert len(pytrt.nms(boxes, scores, np.nextafter(np.float32(1 / 3), np.float32(1)))) == count
        assert len(pytrt.nms(boxes, scores, np.nextafter(np.float32(1 / 3), np.float32(0)))) < count

    def test_threshold_0_parts_all_that_touch_and_1_none(self) -> None:
        boxes, scores = random_boxes(np.random.default_rng(1), 400, 200, 80)
        kept = boxes[pytrt.nms(boxes, scores, 0)]
        apart_x = (kept[:, 0] >= kept[:, np.newaxis, 2] + 1) | (kept[:, 2] + 1 <= kept[:, np.newaxis, 0])
        apart_y = (kept[:, 1] >= kept[:, np.newaxis, 3] + 1) | (kept[:, 3] + 1 <= kept[:, np.newaxis, 1])
        assert (apart_x | apart_y | np.eye(len(kept), dtype=bool)).all()
        for overlap in ("union", "min"):
            assert len(pytrt.nms(np.repeat(boxes, 2, axis=0), np.repeat(scores, 2), 1, overlap)) == 800

    @pytest.mark.parametrize("count", [40, 400])
    @given(seed=SEEDS, overlap=st.sampled_from(["union", "min"]), threshold=st.sampled_from([0, 0.3, 0.7]))
    @settings(max_examples=40)
    def test_boxes_without_area(self, count: int, seed: int, overlap: str, threshold: float) -> None:
        rng = np.random.default_rng(seed)
        boxes, scores = random_boxes(rng, count, 100, 60)
        flat = rng.random(count) < 0.3
        boxes[flat, 2] = boxes[flat, 0] - 1 - rng.uniform(0, 30, flat.sum()).astype(np.float32).round()
        turned = rng.random(count) < 0.2
        boxes[turned, 3] = boxes[turned, 1] - 1 - rng.uniform(0, 30, turned.sum()).astype(np.float32)
        kept = pytrt.nms(boxes, scores, threshold, overlap)
        np.testing.assert_array_equal(kept, nms(boxes, scores, np.float32(threshold), overlap))
        assert set(np.flatnonzero(flat | turned)) <= set(kept)  # they neither go nor make others go

    @given(seed=SEEDS, ratio=st.sampled_from([0.001, 0.02, 50, 1000]), threshold=st.sampled_from([0.3, 0.5, 0.9]))
    @settings(max_examples=60)
    def test_thin_boxes(self, seed: int, ratio: float, threshold: float) -> None:
        boxes, scores = random_boxes(np.random.default_rng(seed), 300, 60, 40)
        boxes[:, 3] = boxes[:, 1] + (boxes[:, 2] - boxes[:, 0]) * np.float32(ratio)
        kept = pytrt.nms(boxes, scores, threshold)
        np.testing.assert_array_equal(kept, nms(boxes, scores, np.float32(threshold)))

    def test_huge_and_tiny_boxes_together(self) -> None:
        rng = np.random.default_rng(4)
        parts = [random_boxes(rng, 100, size * 10, size)[0] for size in (0.01, 1, 100, 1e4, 1e6)]
        boxes = np.concatenate(parts) - np.float32(50)
        scores = rng.random(len(boxes), np.float32)
        for threshold in (0.3, 0.5, 0.7):
            np.testing.assert_array_equal(
                pytrt.nms(boxes, scores, threshold), nms(boxes, scores, np.float32(threshold))
            )

    @pytest.mark.parametrize("overlap", ["union", "min"])
    def test_more_boxes_than_an_int16_counts(self, overlap: str) -> None:
        # 20,000 places, two boxes each: the better one of each place stays.
        places = 20_000 if overlap == "union" else 17_000
        y, x = np.divmod(np.arange(places, dtype=np.float32), 200)
        boxes = np.stack([x * 30, y * 30, x * 30 + 19, y * 30 + 19], axis=1)
        boxes = np.concatenate([boxes, boxes + 1])
        assert len(boxes) > 32_768
        scores = np.random.default_rng(0).permutation(len(boxes)).astype(np.float32)
        better = np.where(scores[:places] > scores[places:], np.arange(places), np.arange(places) + places)
        expected = better[np.argsort(-scores[better])]
        np.testing.assert_array_equal(pytrt.nms(boxes, scores, 0.5, overlap), expected)

    def test_nothing(self) -> None:
        kept = pytrt.nms(np.empty((0, 4)), np.empty(0), 0.5)
        assert kept.shape == (0,) and kept.dtype == np.int64

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((np.zeros((2, 4)), np.zeros(3), 0.5), "2 boxes but 3 scores"),
            ((np.zeros((2, 4)), np.zeros(2), 0.5, "both"), "overlap must be"),
            ((np.full((1, 4), np.nan), np.zeros(1), 0.5), "must be finite"),
            ((np.zeros((1, 4)), np.full(1, np.inf), 0.5), "must be finite"),
            ((np.zeros((2, 4)), np.zeros(2), 0.5, "union", [1]), "2 boxes but 1 groups"),
            ((np.zeros((2, 4)), np.zeros(2), 0.5, "union", None, -1), "keep must be at least 0, got -1"),
        ],
    )
    def test_wrong_arguments(self, arguments: tuple[Any, ...], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            pytrt.nms(*arguments)


class TestPropose:
    @given(
        seed=SEEDS,
        height=SIDES,
        width=SIDES,
        scale_y=st.floats(0.002, 2),
        scale_x=st.floats(0.002, 2),
        threshold=st.sampled_from([0, 0.3, 0.9, 0.99, 1]),
    )
    def test_as_plain(
        self, seed: int, height: int, width: int, scale_y: float, scale_x: float, threshold: float
    ) -> None:
        rng = np.random.default_rng(seed)
        prob = rng.random((2, height, width), np.float32)
        boxes = rng.normal(0, 0.3, (4, height, width)).astype(np.float32)
        found = pytrt.propose(prob, boxes, scale_y, scale_x, threshold)
        plain = plain_proposals(prob, boxes, scale_y, scale_x, threshold)
        assert found.dtype == np.float32 and found.shape == plain.shape
        np.testing.assert_array_equal(found[:, :5], plain[:, :5])
        np.testing.assert_allclose(found[:, 5:], plain[:, 5:], rtol=1e-5)

    def test_a_score_of_exactly_the_threshold_passes(self) -> None:
        prob = np.full((2, 3, 40), 0.6, np.float32)
        assert len(pytrt.propose(prob, np.zeros((4, 3, 40)), 1, 1, 0.6)) == 120
        assert len(pytrt.propose(prob, np.zeros((4, 3, 40)), 1, 1, 0.6001)) == 0

    def test_nan_is_no_face(self) -> None:
        prob = np.full((2, 3, 40), np.nan, np.float32)
        assert pytrt.propose(prob, np.zeros((4, 3, 40)), 1, 1, 0).shape == (0, 9)

    @pytest.mark.parametrize(
        ("prob", "boxes", "scales", "message"),
        [
            ((2, 3), (4, 3), (1, 1), r"\(2, h, w\) and \(4, h, w\)"),
            ((2, 3, 3), (4, 3, 4), (1, 1), r"\(2, h, w\) and \(4, h, w\)"),
            ((2, 0, 3), (4, 0, 3), (1, 1), r"\(2, h, w\) and \(4, h, w\)"),
            ((2, 3, 3), (4, 3, 3), (0, 1), "positive"),
            ((2, 3, 3), (4, 3, 3), (1, float("nan")), "positive"),
        ],
    )
    def test_wrong_arguments(
        self, prob: tuple[int, ...], boxes: tuple[int, ...], scales: tuple[float, float], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            pytrt.propose(np.zeros(prob), np.zeros(boxes), *scales, 0.5)


# A window by where it lies along one axis of n pixels: first pixel and length.
def along(n: int) -> st.SearchStrategy[tuple[int, int]]:
    inside = st.integers(0, n - 1).flatmap(lambda a: st.tuples(st.just(a), st.integers(1, n - a)))
    over_the_start = st.tuples(st.integers(-3 * n - 5, -1), st.integers(1, 4 * n + 20))
    over_the_end = st.tuples(st.integers(0, n - 1), st.integers(1, 4 * n + 20))
    beyond = st.tuples(st.integers(n, 3 * n + 5), st.integers(1, 60))
    around = st.tuples(st.integers(-2 * n, 0), st.integers(3 * n, 5 * n))
    return st.one_of(inside, over_the_start, over_the_end, beyond, around)


@st.composite
def pictures_and_windows(draw: st.DrawFn) -> tuple[Image, NDArray[np.int32]]:
    height, width = draw(SIDES), draw(SIDES)
    windows = []
    for _ in range(draw(st.integers(1, 6))):
        (x, w), (y, h) = draw(along(width)), draw(along(height))
        windows.append((x, y, x + w - 1, y + h - 1))
    return picture(draw(SEEDS), height, width), np.array(windows, np.int32)


class TestCropResize:
    @given(case=pictures_and_windows(), side=st.sampled_from([1, 5, 12, 24, 48]), mode=MODE)
    @settings(max_examples=400)
    def test_as_plain(self, case: tuple[Image, NDArray[np.int32]], side: int, mode: str) -> None:
        img, windows = case
        crops = pytrt.crop_resize(img, windows, side, mode)
        assert crops.dtype == np.float32 and crops.shape == (len(windows), 3, side, side)
        assert difference(crops, plain_crops(img, windows, side, mode)) < TOLERANCE

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("side", [24, 48])
    @pytest.mark.parametrize("y", [-30, -7, 10, 35, 80])
    @pytest.mark.parametrize("x", [-30, -7, 10, 50, 90])
    def test_every_edge_and_corner(self, mode: str, side: int, y: int, x: int) -> None:
        img = picture(abs(x + y), 50, 70)
        windows = np.array([(x, y, x + n - 1, y + n - 1) for n in (1, 9, 23, 24, 25, 48, 77, 200)], np.int32)
        crops = pytrt.crop_resize(img, windows, side, mode)
        assert difference(crops, plain_crops(img, windows, side, mode)) < TOLERANCE

    @pytest.mark.parametrize("mode", MODES)
    def test_a_single_pixel(self, mode: str) -> None:
        img = np.array([[[10, 100, 250]]], np.uint8)
        windows = np.array([(0, 0, 0, 0), (-5, -5, 5, 5), (0, 0, 99, 99), (1, 0, 9, 9), (-70, 0, -1, 30)], np.int32)
        crops = pytrt.crop_resize(img, windows, 24, mode)
        assert difference(crops, plain_crops(img, windows, 24, mode)) < TOLERANCE
        assert np.unique(crops[0].reshape(3, -1), axis=1).shape == (3, 1)  # the pixel alone, everywhere

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("window", [(-90, 0, -1, 89), (40, 0, 60, 20), (0, -40, 39, -1), (0, 30, 39, 69)])
    def test_wholly_outside_is_black(self, mode: str, window: tuple[int, ...]) -> None:
        crops = pytrt.crop_resize(np.full((30, 40, 3), 255, np.uint8), [window], 24, mode)
        assert (crops == np.float32(-127.5 / 128)).all()

    @pytest.mark.parametrize("mode", MODES)
    def test_the_farthest_windows(self, mode: str) -> None:
        far = 10**8
        windows = [(-far, -far, -far + 30, -far + 30), (far - 30, 0, far, 30), (-far, -far, far, far)]
        crops = pytrt.crop_resize(np.full((30, 40, 3), 255, np.uint8), windows, 24, mode)
        assert np.abs(crops - np.float32(-127.5 / 128)).max() < 1e-4

    def test_a_window_of_the_output_size_is_a_copy(self) -> None:
        img = picture(0, 60, 60)
        for mode in MODES:
            crop = pytrt.crop_resize(img, [(7, 9, 30, 32)], 24, mode)[0]
            plain = resize.to_input(img[9:33, 7:31].transpose(2, 0, 1).astype(np.float64))[0]
            assert difference(crop, plain) < 1e-6

    def test_rows_may_be_apart(self) -> None:
        img = picture(3, 80, 90)[11:60, 20:77]
        windows = [(-5, -6, 60, 50), (3, 4, 30, 31)]
        for mode in MODES:
            ours = pytrt.crop_resize(img, windows, 24, mode)
            np.testing.assert_array_equal(ours, pytrt.crop_resize(img.copy(), windows, 24, mode))

    def test_none(self) -> None:
        assert pytrt.crop_resize(picture(0, 5, 5), np.empty((0, 4)), 24).shape == (0, 3, 24, 24)

    @pytest.mark.parametrize(
        ("windows", "side", "mode", "message"),
        [
            ([(5, 0, 4, 9)], 24, "area", "x2 >= x1"),
            ([(0, 0, 2 * 10**8, 9)], 24, "area", "windows must hold whole numbers within 100000000 of 0"),
            ([(0, 0, 9, 9)], 0, "area", "side must be at least 1"),
            ([(0, 0, 9, 9)], 24, "cubic", "resize must be"),
        ],
    )
    def test_wrong_arguments(self, windows: list[Any], side: int, mode: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            pytrt.crop_resize(picture(0, 20, 20), windows, side, mode)


class TestResize:
    @given(seed=SEEDS, size=st.tuples(SIDES, SIDES), to=st.tuples(SIDES, SIDES), mode=MODE)
    @settings(max_examples=300)
    def test_as_plain(self, seed: int, size: tuple[int, int], to: tuple[int, int], mode: str) -> None:
        img = picture(seed, *size)
        out = pytrt.resize(img, *to, mode)
        assert out.dtype == np.float32 and out.shape == (3, *to)
        assert difference(out, plain_resize(img, *to, mode)) < TOLERANCE

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("size", "to"),
        [
            ((1, 1), (50, 60)),
            ((1, 500), (1, 37)),
            ((500, 1), (37, 1)),
            ((1, 300), (20, 12)),
            ((300, 2), (12, 20)),
            ((600, 11), (12, 44)),  # shrunk 50 times along one axis, enlarged along the other
            ((480, 640), (213, 284)),
            ((480, 640), (12, 16)),
            ((243, 257), (31, 30)),
            ((100, 100), (100, 100)),
            ((90, 120), (171, 229)),
            ((1000, 1000), (1, 1)),
        ],
    )
    def test_sizes(self, mode: str, size: tuple[int, int], to: tuple[int, int]) -> None:
        img = picture(7, *size)
        assert difference(pytrt.resize(img, *to, mode), plain_resize(img, *to, mode)) < TOLERANCE

    @given(level=st.integers(0, 255), size=st.tuples(SIDES, SIDES), to=st.tuples(SIDES, SIDES), mode=MODE)
    def test_one_colour_stays(self, level: int, size: tuple[int, int], to: tuple[int, int], mode: str) -> None:
        out = pytrt.resize(np.full((*size, 3), level, np.uint8), *to, mode)
        assert np.abs(out - (level - 127.5) / 128).max() < TOLERANCE

    @given(seed=SEEDS, height=SIDES, width=SIDES, to=SIDES)
    def test_area_keeps_the_mean(self, seed: int, height: int, width: int, to: int) -> None:
        # Along one axis only: shrinking both goes through mips, which are rounded to whole levels.
        img = picture(seed, height, width)
        out = pytrt.resize(img, height, min(to, width), "area")
        assert abs(out.mean(dtype=np.float64) * 128 + 127.5 - img.mean()) < 1e-3

    @pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (-1, 5)])
    def test_wrong_size(self, height: int, width: int) -> None:
        with pytest.raises(ValueError, match="must be at least 1"):
            pytrt.resize(picture(0, 4, 4), height, width)

    @pytest.mark.parametrize(
        ("img", "error"),
        [
            (np.zeros((4, 4), np.uint8), ValueError),
            (np.zeros((4, 4, 4), np.uint8), ValueError),
            (np.zeros((0, 4, 3), np.uint8), ValueError),
            (np.zeros((4, 4, 3), np.float32), ValueError),
            (np.zeros((4, 8, 3), np.uint8)[:, ::2], ValueError),
            (None, (TypeError, ValueError)),
        ],
    )
    def test_wrong_picture(self, img: Any, error: Any) -> None:
        with pytest.raises(error):
            pytrt.resize(img, 4, 4)


class TestHalve:
    @given(seed=SEEDS, height=st.integers(1, 140), width=st.integers(1, 140))
    def test_as_plain(self, seed: int, height: int, width: int) -> None:
        img = picture(seed, height, width)
        np.testing.assert_array_equal(testing.halve(img), resize.halve(img))

    @pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 3), (1, 1001), (1001, 1), (33, 65)])
    def test_sizes(self, size: tuple[int, int]) -> None:
        img = picture(1, *size)
        np.testing.assert_array_equal(testing.halve(img), resize.halve(img))

    def test_rounds_halves_up(self) -> None:
        blocks = np.array([[0, 0, 0, 1, 0, 1, 1, 1], [0, 1, 0, 1, 1, 1, 255, 255]], np.uint8)
        assert testing.halve(np.repeat(blocks[:, :, np.newaxis], 3, axis=2))[0, :, 0].tolist() == [0, 1, 1, 128]


def cells(n: int) -> int:
    return (n - 12) // 2 + 1 if n >= 12 else 0


def check_packing(levels: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Every cell of every level once, in tiles that lie apart on the canvases; their sizes."""
    covered = [np.zeros((cells(h), cells(w)), np.uint8) for h, w in levels]
    sizes = []
    for height, width, tiles in testing.pack_levels(levels):
        painted = np.zeros((height, width), np.uint8)
        for level, cell_y, cell_x, cells_y, cells_x, y, x in tiles:
            assert cells_y > 0 and cells_x > 0
            assert y % 2 == 0 and x % 2 == 0
            grid = covered[level][cell_y : cell_y + cells_y, cell_x : cell_x + cells_x]
            assert grid.shape == (cells_y, cells_x)
            grid += 1
            tile_height, tile_width = (cells_y - 1) * 2 + 12, (cells_x - 1) * 2 + 12
            pixels = painted[y : y + tile_height, x : x + tile_width]
            assert pixels.shape == (tile_height, tile_width)
            pixels += 1
        assert painted.max() == 1
        sizes.append((height, width))
    assert all((grid == 1).all() for grid in covered)
    return sizes


def area(sizes: list[tuple[int, int]]) -> int:
    return sum(h * w for h, w in sizes)


def levels_of(height: int, width: int, minsize: float, factor: float = 0.709) -> list[tuple[int, int]]:
    return [(h, w) for h, w, _, _ in pyramid(height, width, minsize, factor, "ceil")]


class TestPackLevels:
    @given(st.integers(12, 2500), st.integers(12, 2500), st.floats(20, 200), st.sampled_from([0.5, 0.709, 0.9]))
    @settings(max_examples=60)
    def test_pyramids(self, height: int, width: int, minsize: float, factor: float) -> None:
        check_packing(levels_of(height, width, minsize, factor))

    @given(st.lists(st.tuples(st.integers(1, 700), st.integers(1, 700)), max_size=30))
    @settings(max_examples=100)
    def test_any_levels(self, levels: list[tuple[int, int]]) -> None:
        check_packing(levels)

    @pytest.mark.parametrize(
        "size", [(12, 12), (12, 5000), (5000, 12), (13, 513), (511, 512), (512, 513), (3000, 3000)]
    )
    def test_one_level(self, size: tuple[int, int]) -> None:
        check_packing([size])

    def test_a_hundred_levels(self) -> None:
        levels = levels_of(1080, 1920, 12, 0.955)
        assert len(levels) >= 90
        check_packing(levels)
        check_packing([(100, 100)] * 100)

    def test_levels_of_many_pictures(self) -> None:
        levels = [size for h, w in ((480, 640), (1080, 1920), (150, 150), (33, 900)) for size in levels_of(h, w, 20)]
        check_packing(levels * 3)

    @pytest.mark.parametrize("levels", [[], [(11, 500)], [(500, 11), (1, 1)]])
    def test_nothing_to_see(self, levels: list[tuple[int, int]]) -> None:
        assert testing.pack_levels(levels) == []

    @pytest.mark.parametrize("minsize", [20, 40])
    @pytest.mark.parametrize("size", [(480, 640), (640, 480), (720, 1280), (1080, 1920), (1920, 1080), (2160, 3840)])
    def test_little_is_wasted(self, size: tuple[int, int], minsize: int) -> None:
        levels = levels_of(*size, minsize)
        assert area(check_packing(levels)) < 1.4 * area(levels)

    def test_canvas_sizes_are_few(self) -> None:
        rng = np.random.default_rng(0)
        seen: Counter[tuple[int, int]] = Counter()
        for _ in range(1000):
            height, width = rng.integers(60, 2200, 2).tolist()
            seen.update((h, w) for h, w, _ in testing.pack_levels(levels_of(height, width, rng.uniform(20, 80))))
        assert len(seen) < 100
        assert all(h <= 512 and w <= 512 for h, w in seen)


def with_isa(isa: str, *command: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the choice is made once for each."""
    environment = {**os.environ, "TRT_MTCNN_ISA": isa}
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
@pytest.mark.slow
def test_each_instruction_set(isa: str) -> None:
    done = with_isa(isa, "-m", "tests.support.compare_ops")
    if f'TRT_MTCNN_ISA is "{isa}"; on this machine' in done.stderr:
        pytest.skip(f"this machine has no {isa}")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["isa"] == isa
    for name, value in report["differences"].items():
        exact = name == "halve" or name.startswith("nms")
        assert value == 0 if exact else value < TOLERANCE, name
    assert len(report["differences"]) == 11


@pytest.mark.parametrize("isa", ["sse4", "AVX2", "avx512 "])
def test_unknown_instruction_set(isa: str) -> None:
    for code in (
        "import pytrt; pytrt.isa()",
        "import numpy as np, pytrt; pytrt.halve(np.zeros((4, 4, 3), np.uint8))",
        "from mtcnn import TrtMtcnn; TrtMtcnn(device='cpu')",
    ):
        done = with_isa(isa, "-c", code)
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith(
            f'pytrt.exceptions.DeviceError: TRT_MTCNN_ISA is "{isa}"; on this machine it can be one of:'
        )
        assert last.endswith("baseline")


def test_no_instruction_set_named() -> None:
    assert with_isa("", "-c", "import pytrt; pytrt.isa()").returncode == 0
