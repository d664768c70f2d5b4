"""The reference cascade itself, against numbers worked out by hand and a few photos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.reference import cascade
from tests.reference.boxes import is_proper, regress, rounded_squares, square, truncate_and_clip
from tests.reference.nms import nms, overlaps
from tests.reference.params import PRESETS, Params, make_params
from tests.reference.resize import Mips, area_weights, bilinear_weights, halve, mip_level, resample, to_input

pytestmark = pytest.mark.slow

DATA = Path(os.environ.get("TRT_MTCNN_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def f32(rows: Any) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def gray(rows: Any) -> NDArray[np.uint8]:
    return np.repeat(np.array(rows, np.uint8)[:, :, np.newaxis], 3, axis=2)


def photo(name: str) -> NDArray[np.uint8]:
    path = DATA / "photos" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent; set TRT_MTCNN_DATA to the labelled data")
    img = cv2.imread(str(path))
    assert img is not None
    return np.asarray(img, np.uint8)


# --- resampling -----------------------------------------------------------------------------------


def test_area_weights_of_a_fractional_step() -> None:
    # 5 pixels onto 2: each output takes two and a half pixels.
    expected = f32([[0.4, 0.4, 0.2, 0, 0], [0, 0, 0.2, 0.4, 0.4]])
    np.testing.assert_allclose(area_weights(0, 5, 2, 5), expected, rtol=1e-6)


def test_area_weights_outside_the_image_are_lost() -> None:
    # The window [-2, 4) onto 3: the first output sees nothing, the last only half of pixel 2.
    np.testing.assert_allclose(area_weights(-2, 6, 3, 2.5), f32([[0, 0, 0], [0.5, 0.5, 0], [0, 0, 0.25]]))


def test_area_of_a_ramp() -> None:
    ramp = gray([[0, 10, 20, 30, 40]] * 5)
    out = resample(Mips(ramp), 0, 0, 5, 5, 4, 5, "area")
    # step 1.25: (0 + 10/4) / 1.25, (7.5 + 20/2) / 1.25, ...
    np.testing.assert_allclose(out, np.broadcast_to([2, 14, 26, 38], (3, 5, 4)))


def test_bilinear_weights_repeat_the_window_edge() -> None:
    # 2 pixels onto 4: centres -0.25, 0.25, 0.75, 1.25, of which the outer two are clamped.
    expected = f32([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    np.testing.assert_allclose(bilinear_weights(0, 2, 4, 2), expected)


def test_bilinear_window_across_the_image_edge() -> None:
    # The window starts one pixel to the left of the image: that pixel counts, with the value 0.
    img = gray([[100, 200]] * 2)
    out = resample(Mips(img), -1, 0, 2, 2, 4, 2, "bilinear")
    np.testing.assert_allclose(out, np.broadcast_to([0, 25, 75, 100], (3, 2, 4)))


def test_area_enlarges_bilinearly() -> None:
    img = gray([[0, 100], [100, 200]])
    window = (0, 0, 2, 2, 4, 4)
    enlarged = resample(Mips(img), *window, "area")
    np.testing.assert_array_equal(enlarged, resample(Mips(img), *window, "bilinear"))
    np.testing.assert_allclose(enlarged[0, 0], [0, 25, 75, 100])


def test_halve_rounds_up_and_pairs_the_odd_edge_with_itself() -> None:
    img = gray([[1, 2, 7], [2, 1, 8], [3, 4, 9]])
    np.testing.assert_array_equal(halve(img)[:, :, 0], [[2, 8], [4, 9]])


@pytest.mark.parametrize(
    ("window", "k"),
    [((48, 48, 24, 24), 1), ((47, 48, 24, 24), 0), ((200, 97, 24, 24), 2), ((9, 9, 24, 24), 0)],
)
def test_mip_level(window: tuple[int, int, int, int], k: int) -> None:
    assert mip_level(*window) == k


def test_area_from_a_mip_of_an_odd_image() -> None:
    # Width 5 halves to 3 pixels, the last of which stands for one column only.
    img = gray([[10, 30, 50, 70, 90]] * 4)
    out = resample(Mips(img), 0, 0, 5, 4, 2, 2, "area")
    # mip 20, 60, 90 over [0, 2.5): (20 + 60/4) / 1.25 and (60 * 3/4 + 90/2) / 1.25
    np.testing.assert_allclose(out, np.broadcast_to([28, 72], (3, 2, 2)))


@pytest.mark.parametrize("mode", ["area", "bilinear"])
@pytest.mark.parametrize("corner", [(-60, 3), (40, -70), (200, 200)])
def test_window_beside_the_image_is_black(mode: str, corner: tuple[int, int]) -> None:
    img = np.full((20, 30, 3), 255, np.uint8)
    assert not resample(Mips(img), *corner, 50, 50, 24, 24, mode).any()


def test_input_is_rgb_and_normalised() -> None:
    data = to_input(np.array([0, 127.5, 255]).reshape(3, 1, 1))
    np.testing.assert_allclose(data.ravel(), [0.99609375, 0, -0.99609375])
    assert data.shape == (1, 3, 1, 1)


# --- boxes and NMS --------------------------------------------------------------------------------


def test_square_about_the_centre() -> None:
    squares, side = square(f32([[10, 20, 29, 69]]))  # 20 wide, 50 high
    np.testing.assert_array_equal(squares, [[-5, 20, 44, 69]])
    np.testing.assert_array_equal(side, [50])


def test_rounded_squares() -> None:
    np.testing.assert_array_equal(
        rounded_squares(f32([[-1.5, 2.5, 8, 12], [0.4, 0.6, 0, 0]]), f32([10.5, 0.2])),
        [[-1, 3, 9, 13], [0, 1, 0, 1]],
    )


def test_regress_in_units_of_the_sides() -> None:
    moved = regress(f32([[10, 10, 19, 29]]), f32([[0.1, -0.1, 0.2, 0.3]]), f32([10]), f32([20]))
    np.testing.assert_allclose(moved, [[11, 8, 21, 35]])


def test_is_proper() -> None:
    boxes = f32([[5, 5, 5, 5], [5, 5, 4, 9], [5, 5, 9, 3.9], [5, 5, 4.1, 4.1]])
    np.testing.assert_array_equal(is_proper(boxes), [True, False, False, True])


def test_truncate_and_clip() -> None:
    boxes = f32([[-0.9, -3, 99.9, 120]])
    truncate_and_clip(boxes[:, 0::2], boxes[:, 1::2], 200, 100)
    np.testing.assert_array_equal(boxes, [[0, 0, 99, 99]])


def test_overlaps_count_pixels_inclusively() -> None:
    box, others = f32([0, 0, 9, 9]), f32([[5, 0, 14, 9], [2, 2, 5, 5], [10, 0, 19, 9]])
    np.testing.assert_allclose(overlaps(box, others, "union"), [50 / 150, 16 / 100, 0])
    np.testing.assert_allclose(overlaps(box, others, "min"), [0.5, 1, 0])


def test_nms_by_hand() -> None:
    # 1 suppresses 0 (IoU 0.818); 2 overlaps 1 by exactly a third, which is not over the threshold of a third.
    boxes = f32([[1, 0, 10, 9], [0, 0, 9, 9], [5, 0, 14, 9], [50, 50, 59, 59]])
    scores = f32([0.8, 0.9, 0.7, 0.95])
    np.testing.assert_array_equal(nms(boxes, scores, 0.5), [3, 1, 2])
    np.testing.assert_array_equal(nms(boxes, scores, 0.3), [3, 1])
    np.testing.assert_array_equal(nms(boxes, scores, 0.4, "min"), [3, 1])


def test_nms_equality_keeps_and_ties_go_to_the_lower_index() -> None:
    boxes = f32([[0, 0, 9, 9], [5, 0, 14, 9], [0, 0, 9, 9]])
    scores = f32([0.9, 0.9, 0.9])
    np.testing.assert_array_equal(nms(boxes, scores, 0.5, "min"), [0, 1])
    np.testing.assert_array_equal(nms(boxes[:0], scores[:0], 0.5), [])


# --- the pyramid and the cells --------------------------------------------------------------------


def test_levels_of_a_small_image() -> None:
    # Scales 0.5, 0.3545, 0.2513, 0.1782 and 0.1263; at the next one, 0.0896, 100 pixels are fewer than 12.
    fast = cascade.pyramid_levels(100, 151, 24, PRESETS["fast"])
    assert [(v.height, v.width) for v in fast] == [(50, 76), (36, 54), (26, 38), (18, 27), (13, 20)]
    assert fast[0].scale_x == 76 / 151 and fast[0].scale_y == 0.5
    port = cascade.pyramid_levels(100, 151, 24, PRESETS["port"])
    assert [(v.height, v.width) for v in port] == [(50, 75), (35, 53), (25, 37), (17, 26), (12, 19)]
    assert port[0].scale_x == port[0].scale_y == 0.5


def test_minsize_as_large_as_the_image_leaves_one_level() -> None:
    assert len(cascade.pyramid_levels(41, 90, 41, PRESETS["fast"])) == 1
    assert cascade.pyramid_levels(40, 90, 41, PRESETS["fast"]) == []


def test_propose_by_hand() -> None:
    level = cascade.Level(0.5, 40, 60, scale_y=0.4, scale_x=0.5)
    prob = np.zeros((3, 4), np.float32)
    prob[2, 1], prob[1, 3] = 0.9, 0.8
    reg = np.zeros((4, 3, 4), np.float32)
    reg[:, 2, 1] = 0.1, 0.2, -0.1, 0.3
    found = cascade.propose(prob, reg, level, 0.8)
    np.testing.assert_array_equal(found.scores, f32([0.8, 0.9]))  # row-major
    np.testing.assert_allclose(found.windows, [[12, 5, 34, 32.5], [4, 10, 26, 37.5]])
    np.testing.assert_allclose(found.regressed[1], [4 + 2.4, 10 + 6, 26 - 2.4, 37.5 + 9], rtol=1e-6)


def test_shrink() -> None:
    img = np.full((1000, 3000, 3), 77, np.uint8)
    small, minsize, s = cascade.shrink(img, 100, PRESETS["port"])
    assert s == 1280 / 3000 and small.shape == (427, 1280, 3) and minsize == 43
    assert (small == 77).all()
    assert cascade.shrink(img, 60, PRESETS["port"])[1] == 40
    same, minsize, s = cascade.shrink(img[:720, :1280], 20, PRESETS["port"])
    assert s == 1 and minsize == 20 and same.shape == (720, 1280, 3)


def test_params() -> None:
    assert make_params("fast", factor=0.5) == Params(factor=0.5)
    with pytest.raises(ValueError, match="preset"):
        make_params("slow")
    with pytest.raises(TypeError, match="nonsense"):
        make_params("fast", nonsense=1)


# --- the whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("size", [(1, 1), (10, 10), (8, 2000), (12, 12), (200, 150)])
def test_no_faces(preset: str, size: tuple[int, int]) -> None:
    dets, landmarks = cascade.detect(np.zeros((*size, 3), np.uint8), 12, preset)
    assert dets.shape == (0, 5) and landmarks.shape == (0, 10)
    assert dets.dtype == landmarks.dtype == np.float32


FACES = {"2007_007763.jpg": 7, "2008_001322.jpg": 3, "detection5.jpg": 3, "identification1.jpg": 4}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", FACES)
def test_upright_faces(preset: str, name: str) -> None:
    img = photo(name)
    dets, landmarks = cascade.detect(img, 40, preset)
    assert len(dets) == len(landmarks) == FACES[name]
    assert (np.diff(dets[:, 4]) <= 0).all()
    x, y = landmarks[:, :5], landmarks[:, 5:]
    assert (x[:, 0] < x[:, 1]).all() and (x[:, 3] < x[:, 4]).all()  # left before right: eyes, mouth corners
    assert (y[:, :2].max(axis=1) < y[:, 2]).all() and (y[:, 2] < y[:, 3:].min(axis=1)).all()  # top to bottom
    eyes = (x[:, 0] + x[:, 1]) / 2
    assert ((dets[:, 0] < eyes) & (eyes < dets[:, 2])).all()
    assert (dets[:, 3] - dets[:, 1] > dets[:, 2] - dets[:, 0]).all()  # faces are higher than wide


def test_a_turned_photo_has_fewer_faces() -> None:
    img = photo("2007_007763.jpg")
    dets, _ = cascade.detect(np.ascontiguousarray(img.transpose(1, 0, 2)), 40, "fast")
    assert len(dets) < FACES["2007_007763.jpg"]


def test_trace_agrees_with_detect_and_honours_the_caps() -> None:
    img = photo("detection5.jpg")
    trace = cascade.trace(img, 40, "port", max_rnet=60, max_onet=5)
    assert len(trace.pnet.boxes) == len(trace.rnet.crops) == 60
    assert len(trace.rnet.boxes) <= 5
    dets, landmarks = cascade.detect(img, 40, "port", max_rnet=60, max_onet=5)
    np.testing.assert_array_equal(dets, trace.dets)
    np.testing.assert_array_equal(landmarks, trace.landmarks)


def test_port_results_are_whole_pixels_in_the_large_image() -> None:
    dets, landmarks = cascade.detect(photo("obama-1080p.jpg"), 40, "port")
    assert len(dets) == 1
    np.testing.assert_array_equal(dets[:, :4], np.trunc(dets[:, :4]))
    np.testing.assert_array_equal(landmarks, np.trunc(landmarks))
    fast, fast_landmarks = cascade.detect(photo("obama-1080p.jpg"), 40, "fast")
    np.testing.assert_allclose(fast[:, :4], dets[:, :4], atol=15)
    np.testing.assert_allclose(fast_landmarks, landmarks, atol=5)
