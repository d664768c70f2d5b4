"""The pyramid, and the size a picture is worked on at."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mtcnn.cascade import count_levels, pyramid, unshrink, working_size
from mtcnn.params import PRESETS, Params
from tests.reference import cascade as reference
from tests.reference.params import Params as ReferenceParams

SIDES = st.one_of(st.integers(1, 60), st.integers(1, 5000))
MINSIZES = st.one_of(st.integers(4, 5000), st.floats(4, 5000))
LEVEL_SIZES = st.sampled_from(["ceil", "floor"])


class TestPyramid:
    @given(SIDES, SIDES, MINSIZES, st.floats(0.05, 0.99), LEVEL_SIZES)
    def test_its_levels_are_counted(
        self, height: int, width: int, minsize: float, factor: float, level_size: str
    ) -> None:
        p = Params(minsize=minsize, factor=factor, level_size=level_size)
        assert abs(count_levels(height, width, p) - len(pyramid(height, width, minsize, factor, level_size))) <= 1

    @given(SIDES, SIDES, MINSIZES, st.floats(0.05, 0.97), LEVEL_SIZES)
    def test_as_the_reference(self, height: int, width: int, minsize: float, factor: float, level_size: str) -> None:
        levels = reference.pyramid_levels(height, width, minsize, ReferenceParams(factor=factor, level_size=level_size))
        theirs = tuple((v.height, v.width, v.scale_y, v.scale_x) for v in levels)
        assert pyramid(height, width, minsize, factor, level_size) == theirs

    @given(SIDES, SIDES, MINSIZES, st.floats(0.3, 0.9))
    def test_scales(self, height: int, width: int, minsize: float, factor: float) -> None:
        levels = pyramid(height, width, minsize, factor, "ceil")
        assert bool(levels) == (min(height, width) * 12 / minsize >= 12 - 1e-6)
        for i, (h, w, scale_y, scale_x) in enumerate(levels):
            scale = 12 / minsize * factor**i
            assert min(h, w) >= 12
            assert height * scale - 1e-4 <= h < height * scale + 1
            assert width * scale - 1e-4 <= w < width * scale + 1
            assert (scale_y, scale_x) == (h / height, w / width)
        if levels:  # the next one would be too small
            assert min(height, width) * 12 / minsize * factor ** len(levels) < 12

    @given(SIDES, SIDES, MINSIZES, st.floats(0.3, 0.9))
    def test_floor_keeps_the_nominal_scale(self, height: int, width: int, minsize: float, factor: float) -> None:
        for h, w, scale_y, scale_x in pyramid(height, width, minsize, factor, "floor"):
            assert scale_y == scale_x
            assert height * scale_y - 1 < h <= height * scale_y + 1e-5
            assert width * scale_x - 1 < w <= width * scale_x + 1e-5

    @given(st.integers(12, 3000), st.integers(0, 2000), LEVEL_SIZES)
    def test_a_face_as_large_as_the_picture_is_looked_for(self, short: int, more: int, level_size: str) -> None:
        for size in ((short, short + more), (short + more, short)):
            (level,) = pyramid(*size, short, 0.5, level_size)
            assert min(level[:2]) == 12
            assert pyramid(*size, short + 0.001, 0.5, level_size) == ()

    @pytest.mark.parametrize("level_size", ["ceil", "floor"])
    def test_at_minsize_12_the_first_level_is_the_picture(self, level_size: str) -> None:
        assert pyramid(1080, 1920, 12, 0.709, level_size)[0] == (1080, 1920, 1, 1)

    def test_by_hand(self) -> None:
        # The scales 0.5, 0.25, 0.125 of 100 x 151 pixels; at 0.0625 the height would be 6.25.
        assert [level[:2] for level in pyramid(100, 151, 24, 0.5, "ceil")] == [(50, 76), (25, 38), (13, 19)]
        assert [level[:2] for level in pyramid(100, 151, 24, 0.5, "floor")] == [(50, 75), (25, 37), (12, 18)]

    def test_the_number_of_levels_has_no_cap(self) -> None:
        assert len(pyramid(2000, 2000, 12, 0.99, "ceil")) > 500


class TestWorkingSize:
    @given(SIDES, SIDES, MINSIZES, st.one_of(st.none(), st.tuples(SIDES, SIDES)))
    def test_as_the_reference(self, height: int, width: int, minsize: float, max_size: Any) -> None:
        assume(height * width < 500_000)
        p = Params(minsize=minsize, max_size=max_size, resize="bilinear")
        theirs = ReferenceParams(max_size=max_size, resize="bilinear")
        img, small_minsize, shrink = reference.shrink(np.zeros((height, width, 3), np.uint8), minsize, theirs)
        assert working_size(height, width, p) == (*img.shape[:2], shrink, small_minsize)

    @given(SIDES, SIDES, st.tuples(SIDES, SIDES))
    def test_fits_as_tightly_as_can_be(self, height: int, width: int, max_size: tuple[int, int]) -> None:
        h, w, shrink, minsize = working_size(height, width, Params(minsize=100, max_size=max_size))
        assert 1 <= h <= max(max_size[0], 1) or h == height <= max_size[0]
        assert 1 <= w <= max(max_size[1], 1) or w == width <= max_size[1]
        if shrink == 1:
            assert (h, w, minsize) == (height, width, 100)
        else:
            assert h == max_size[0] or w == max_size[1]
            assert minsize == max(40, math.ceil(100 * shrink - 1e-6))

    @pytest.mark.parametrize(
        ("size", "working"),
        [
            ((720, 1280), (720, 1280, 1)),
            ((1080, 1920), (720, 1280, 2 / 3)),
            ((1280, 720), (720, 405, 0.5625)),
            ((721, 100), (720, 100, 720 / 721)),
            ((10, 1281), (10, 1280, 1280 / 1281)),
            ((2160, 3840), (720, 1280, 1 / 3)),
        ],
    )
    def test_of_the_port(self, size: tuple[int, int], working: tuple[int, int, float]) -> None:
        h, w, shrink, minsize = working_size(*size, PRESETS["port"])
        assert (h, w) == working[:2] and shrink == pytest.approx(working[2]) and minsize == 40

    def test_without_max_size_nothing_shrinks(self) -> None:
        assert working_size(9000, 16000, Params(minsize=17)) == (9000, 16000, 1, 17)


class TestUnshrink:
    DETS = np.array([[10, 20, 31, 43, 0.9], [0, 0, 5, 7, 0.8]], np.float32)
    LANDMARKS = np.arange(20, dtype=np.float32).reshape(2, 10)

    @pytest.mark.parametrize("whole_pixels", [False, True])
    def test_divides_all_but_the_score(self, whole_pixels: bool) -> None:
        p = Params(whole_pixels=whole_pixels)
        dets, landmarks = unshrink(self.DETS.copy(), self.LANDMARKS.copy(), 0.3, p)
        expected, expected_landmarks = (rows.astype(np.float64) / 0.3 for rows in (self.DETS[:, :4], self.LANDMARKS))
        if whole_pixels:
            expected, expected_landmarks = np.trunc(expected), np.trunc(expected_landmarks)
        np.testing.assert_allclose(dets[:, :4], expected, rtol=1e-6)
        np.testing.assert_allclose(landmarks, expected_landmarks, rtol=1e-6)
        np.testing.assert_array_equal(dets[:, 4], self.DETS[:, 4])
        assert dets.dtype == landmarks.dtype == np.float32

    def test_of_nothing(self) -> None:
        dets, landmarks = unshrink(np.empty((0, 5), np.float32), np.empty((0, 10), np.float32), 0.5, Params())
        assert dets.shape == (0, 5) and landmarks.shape == (0, 10)
