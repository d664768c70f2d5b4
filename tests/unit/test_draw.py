import sys

import numpy as np
import pytest

from mtcnn.draw import draw_faces
from mtcnn.errors import MtcnnError

DETS = np.array([[40, 50, 120, 150, 0.987]], np.float32)
LANDMARKS = np.array([[60, 100, 80, 65, 95, 85, 85, 105, 125, 125]], np.float32)


def black(height: int = 200, width: int = 200) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def inked(drawn: np.ndarray) -> np.ndarray:
    return drawn.any(axis=2)


def test_is_a_copy() -> None:
    img = black()
    img.flags.writeable = False
    drawn = draw_faces(img, DETS, LANDMARKS)
    assert drawn.shape == img.shape and drawn.dtype == np.uint8
    assert drawn.flags.writeable
    assert inked(drawn).any() and not img.any()


def test_box_lies_on_its_edges() -> None:
    ink = inked(draw_faces(black(), DETS[:, :4]))
    rows, columns = np.nonzero(ink)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (50, 150, 40, 120)
    assert ink[50, 40:121].all() and ink[150, 40:121].all()
    assert ink[50:151, 40].all() and ink[50:151, 120].all()
    assert not ink[52:149, 42:119].any()


def test_score_is_written_only_where_there_is_one() -> None:
    plain, scored = draw_faces(black(), DETS[:, :4]), draw_faces(black(), DETS)
    assert inked(scored)[:50].any() and not inked(plain)[:50].any()
    other = DETS.copy()
    other[0, 4] = 0.711
    assert (draw_faces(black(), other) != scored).any()


@pytest.mark.parametrize("corner", [(0, 0), (195, 0), (-30, -20), (100, 3)])
def test_score_stays_in_the_picture(corner: tuple[int, int]) -> None:
    x, y = corner
    box = np.array([[x, y, x + 60, y + 60]], np.float32)
    with_score = np.hstack([box, [[0.9]]])
    added = inked(draw_faces(black(), with_score)) & ~inked(draw_faces(black(), box))
    # a whole label, not a cut one: about 30 x 11 pixels
    assert np.ptp(np.nonzero(added.any(axis=0))[0]) >= 20
    assert np.ptp(np.nonzero(added.any(axis=1))[0]) >= 8


def test_five_points_in_five_colours() -> None:
    drawn = draw_faces(black(), DETS[:, :4], LANDMARKS)
    colours = [tuple(drawn[int(LANDMARKS[0, 5 + i]), int(LANDMARKS[0, i])]) for i in range(5)]
    assert len(set(colours)) == 5 and (0, 0, 0) not in colours


def test_lines_grow_with_the_picture() -> None:
    def line_width(side: int) -> int:
        box = np.array([[side / 4, side / 4, side / 2, side / 2]])
        return int(inked(draw_faces(black(side, side), box))[side * 3 // 8, : side * 3 // 8].sum())

    assert line_width(100) == line_width(600) == 1
    assert 3 <= line_width(1600) < line_width(3000)


def test_no_faces_is_a_plain_copy() -> None:
    img = np.full((20, 30, 3), 7, np.uint8)
    drawn = draw_faces(img, np.empty((0, 5), np.float32), np.empty((0, 10), np.float32))
    np.testing.assert_array_equal(drawn, img)
    assert not np.shares_memory(drawn, img)


def test_faces_far_outside_are_harmless() -> None:
    dets = np.array([[-1e30, -1e30, 1e30, 1e30, 0.9], [1e9, 1e9, 2e9, 2e9, 0.5]])
    draw_faces(black(), dets, np.full((2, 10), 1e20))


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 60), (40, 60, 4), (3, 500, 3)])
def test_any_picture(shape: tuple[int, ...]) -> None:
    drawn = draw_faces(np.zeros(shape, np.uint8), DETS / 4, LANDMARKS / 4)
    assert drawn.shape == (*shape[:2], 3)


def test_cropped_and_mirrored_views() -> None:
    img = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    for view in (img[20:220, 30:240], img[::-1, ::-1]):
        np.testing.assert_array_equal(draw_faces(view, DETS, LANDMARKS), draw_faces(view.copy(), DETS, LANDMARKS))


@pytest.mark.parametrize("landmarks", [np.ones((2, 10)), np.ones(10), np.ones(()), np.empty((0, 10))])
def test_one_row_of_landmarks_a_box(landmarks: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a row for each of the 1 boxes"):
        draw_faces(black(), DETS, landmarks)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(TypeError, match="img is None"):
        draw_faces(None, DETS, LANDMARKS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dets must have the shape"):
        draw_faces(black(), DETS[0], LANDMARKS)
    with pytest.raises(ValueError, match=r"landmarks\[0\] must have the shape"):
        draw_faces(black(), DETS, LANDMARKS[:, :9])


def test_without_opencv_and_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MtcnnError, match="drawing pictures needs OpenCV or Pillow: pip install"):
        draw_faces(black(), DETS, LANDMARKS)
