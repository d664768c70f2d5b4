import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mtcnn.central import find_central_face

BOXES = hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-500, 1500, width=32))


def test_nearest_to_the_centre_wins_over_the_best_score() -> None:
    dets = np.array([[0, 0, 20, 20, 0.99], [90, 40, 110, 60, 0.7], [150, 0, 190, 40, 0.9]], np.float32)
    assert find_central_face(np.zeros((100, 200, 3), np.uint8), dets) == 1


def test_height_is_not_width() -> None:
    # the centre of a picture 100 high and 300 wide is (150, 50)
    dets = [[40, 140, 60, 160], [140, 40, 160, 60]]
    assert find_central_face((100, 300), dets) == 1
    assert find_central_face((300, 100), dets) == 0


def test_centre_is_half_the_size() -> None:
    # to the centre 50 both are 10 and 11 away; to 49.5 they would be 10.5 and 10.5
    assert find_central_face((100, 100), [[60, 60, 60, 60], [39, 39, 39, 39]]) == 0
    # and the other way round the order does not decide
    assert find_central_face((100, 100), [[39, 39, 39, 39], [60, 60, 60, 60]]) == 1


def test_both_corners_count() -> None:
    # the middles of the boxes are 0 and 5 away; the corners of the first are further
    assert find_central_face((100, 100), [[10, 10, 90, 90], [50, 50, 60, 60]]) == 1


def test_the_first_of_equals() -> None:
    assert find_central_face((100, 100), [[40, 40, 50, 50], [50, 50, 60, 60]]) == 0


@pytest.mark.parametrize("dets", [np.empty((0, 5), np.float32), np.empty((0, 4)), []], ids=["(0, 5)", "(0, 4)", "[]"])
def test_no_faces(dets: object) -> None:
    assert find_central_face((10, 10), dets) is None


@given(BOXES, st.integers(1, 1000), st.integers(1, 1000))
def test_no_face_is_nearer(boxes: np.ndarray, height: int, width: int) -> None:
    found = find_central_face(np.broadcast_to(np.uint8(0), (height, width, 3)), boxes)
    assert type(found) is int

    def distance(box: list[float]) -> float:
        x1, y1, x2, y2 = box
        cx, cy = width / 2, height / 2
        return (x1 - cx) ** 2 + (y1 - cy) ** 2 + (x2 - cx) ** 2 + (y2 - cy) ** 2

    distances = [distance(box) for box in boxes.tolist()]
    assert distances[found] <= min(distances) * (1 + 1e-12)


@given(BOXES)
def test_scores_do_not_matter(boxes: np.ndarray) -> None:
    scores = np.linspace(0, 1, len(boxes), dtype=np.float32)[:, None]
    assert find_central_face((480, 640), boxes) == find_central_face((480, 640), np.hstack([boxes, scores]))


@pytest.mark.parametrize("img", [np.zeros((80, 60)), np.zeros((80, 60, 4)), (80, 60), [80, 60], (80, 60, 3)])
def test_picture_or_its_shape(img: object) -> None:
    assert find_central_face(img, [[30, 40, 30, 40], [40, 30, 40, 30]]) == 0
    assert find_central_face(img, [[40, 30, 40, 30], [30, 40, 30, 40]]) == 1


@pytest.mark.parametrize("img", [None, 7, "80x60", (80,), (80.5, 60), (None, None), object()])
def test_no_picture(img: object) -> None:
    with pytest.raises(TypeError, match=r"img must be a picture or its \(height, width\)"):
        find_central_face(img, [])


@pytest.mark.parametrize("img", [np.zeros(5), np.zeros((1, 2, 3, 4)), (0, 5), (5, -1), np.zeros((0, 5, 3))])
def test_no_picture_by_its_shape(img: object) -> None:
    with pytest.raises(ValueError, match="^img "):
        find_central_face(img, [])


@pytest.mark.parametrize("shape", [(5,), (3, 3), (3, 6), (1, 2, 5), ()])
def test_wrong_shape_of_dets(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"dets must have the shape \(n, 5\) or \(n, 4\)"):
        find_central_face((10, 10), np.zeros(shape))


def test_one_face_without_its_row_gets_the_mend() -> None:
    with pytest.raises(ValueError, match=r"dets\[np\.newaxis\]"):
        find_central_face((10, 10), np.zeros(5))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="dets holds NaN or infinity"):
        find_central_face((10, 10), [[0, 0, bad, 5, 0.9]])


@pytest.mark.parametrize("dets", [None, "faces", [[1, 2, 3, 4], [1, 2]], [["a"] * 4], {}])
def test_dets_of_no_numbers(dets: object) -> None:
    with pytest.raises(TypeError, match="dets must be an array"):
        find_central_face((10, 10), dets)
