"""The five points, from whatever order of numbers they come in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mtcnn
from mtcnn import FaceAligner, TrtMtcnn
from mtcnn.align import as_points

FACE = np.array([[204.4, 100.7], [246.7, 102.8], [224.4, 129.1], [201.0, 139.5], [245.2, 142.0]])
ROW = FACE.T.ravel()


@pytest.mark.parametrize(
    "given_", [ROW, FACE, ROW[np.newaxis], FACE[np.newaxis], ROW.tolist(), FACE.astype(np.float32)]
)
def test_one_face(given_: object) -> None:
    five = mtcnn.points(given_)
    assert five.shape == (1, 5, 2) and five.dtype == np.float32
    np.testing.assert_allclose(five[0], FACE, rtol=1e-6)


def test_what_detect_returns(detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    _, landmarks = detector.detect(astronaut)
    five = mtcnn.points(landmarks)
    np.testing.assert_array_equal(five[0].T.ravel(), landmarks[0])
    np.testing.assert_array_equal(
        FaceAligner().align_all(astronaut, five), FaceAligner().align_all(astronaut, landmarks)
    )


@pytest.mark.parametrize("none", [[], np.empty((0, 10)), np.empty((0, 5, 2))])
def test_no_faces(none: object) -> None:
    assert mtcnn.points(none).shape == (0, 5, 2)


@given(st.floats(-3.2, 3.2), st.floats(0.05, 30), st.integers(-3000, 3000), st.integers(-3000, 3000))
def test_a_row_reshaped_to_pairs_is_refused(angle: float, scale: float, x: int, y: int) -> None:
    turned = FACE @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * scale + (x, y)
    np.testing.assert_array_equal(as_points(turned), turned)  # a face is taken however it lies
    np.testing.assert_array_equal(as_points(turned.T.ravel()), turned)
    # interleaved numbers in a row stay far from any face
    with pytest.raises(ValueError, match=r"landmarks seems to hold x1, y1, x2"):
        mtcnn.points(turned.ravel())


def test_the_patch_that_was_rotated_without_a_word(astronaut: np.ndarray) -> None:
    for refuse in (FaceAligner().transform, mtcnn.points, lambda five: FaceAligner().align(astronaut, five)):
        with pytest.raises(ValueError, match=r"landmarks seems to be reshape\(5, 2\) of a row"):
            refuse(ROW.reshape(5, 2))
    with pytest.raises(ValueError, match=r"landmarks\[1\] seems to be reshape"):
        FaceAligner().align_all(astronaut, [FACE, ROW.reshape(5, 2)])
    with pytest.raises(ValueError, match=r"got \(1, 5, 2\); one face's are landmarks\[i\]"):
        FaceAligner().align(astronaut, FACE[np.newaxis])
    with pytest.raises(ValueError, match=r"landmarks\[0\] seems to hold"):
        mtcnn.points(FACE.reshape(1, 10))


@pytest.mark.parametrize("mirrored", [FACE[:, ::-1], FACE[[1, 0, 2, 4, 3]], FACE * (-1, 1), FACE * (1, -1)])
def test_mirror_images(mirrored: np.ndarray, astronaut: np.ndarray) -> None:
    """[y, x], and points of a mirrored picture: an aligned face would stand on its head."""
    for call in (
        mtcnn.points,
        FaceAligner().transform,
        FaceAligner(template="ffhq").transform,
        lambda five: FaceAligner().align_all(astronaut, five[np.newaxis]),
        lambda five: mtcnn.head_pose(five.T.ravel()),
        lambda five: FaceAligner((112, 112), template=five),
    ):
        with pytest.raises(ValueError, match=r"(landmarks|template).* seems to be the mirror image of a face"):
            call(mirrored)


def test_faces_that_are_hardly_seen(detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    """Whatever the networks take for a face, turned ones among them, is taken."""
    for turns in range(4):
        img = np.ascontiguousarray(np.rot90(astronaut, turns))
        _, landmarks = detector.detect(img, 20, preset="fast", thresholds=(0.5, 0.3, 0.02))
        assert len(landmarks) > 1 and len(mtcnn.points(landmarks)) == len(landmarks)


@pytest.mark.parametrize("shape", [(), (5,), (2, 5), (10, 1), (3, 9), (2, 2, 5), (1, 1, 5, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"landmarks must have the shape"):
        mtcnn.points(np.ones(shape))


DATES = np.zeros(10, "M8[s]"), np.zeros(10, "m8[s]")


@pytest.mark.parametrize(
    "bad",
    [None, "face", [["a", "b"]] * 5, [["1", "2"]] * 5, ["1"] * 10, np.array(["1"] * 10, object), [b"1"] * 10, *DATES],
)
def test_no_numbers(bad: object) -> None:
    with pytest.raises(TypeError, match="landmarks must be an array of numbers"):
        mtcnn.points(bad)


def test_not_finite() -> None:
    with pytest.raises(ValueError, match=r"landmarks\[1\] holds NaN"):
        mtcnn.points([ROW, np.full(10, np.nan)])


def test_complex_and_masked_numbers() -> None:
    """In all that takes faces."""
    img, dets, rows = np.zeros((9, 9, 3), np.uint8), np.ones((2, 5)), np.stack([ROW, ROW])
    for call in (
        lambda bad: mtcnn.points(bad(rows)),
        lambda bad: mtcnn.FaceAligner().align_all(img, bad(rows)),
        lambda bad: mtcnn.draw_faces(img, bad(dets)),
        lambda bad: mtcnn.draw_faces(img, dets, bad(rows)),
        lambda bad: mtcnn.find_central_face(img, bad(dets)),
    ):
        with pytest.raises(TypeError, match="complex"):
            call(lambda a: a.astype(complex))
        with pytest.raises(ValueError, match="masked"):
            call(lambda a: np.ma.MaskedArray(a, mask=np.eye(*a.shape, dtype=bool)))
