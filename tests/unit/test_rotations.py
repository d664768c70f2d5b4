"""Turned pictures: faces come back to the pixels of the picture, and of one face there is one."""

from __future__ import annotations

from typing import Any

import click
import numpy as np
import pytest
from numpy.typing import NDArray

from mtcnn import Tracker, TrtMtcnn
from mtcnn.cli.options import rotations
from mtcnn.params import Params, make_params
from mtcnn.quality import head_pose
from mtcnn.rotations import merged, turn_back, turn_boxes, turned, upright_turns
from mtcnn.serve.parameters import read_parameters
from tests.conftest import DATA, need, read_picture
from tests.support import pictures

Image = NDArray[np.uint8]
TURNS = (0, 90, 180, 270)
SURE: Any = {"thresholds": (0.6, 0.7, 0.9)}  # so that a face is found at one turn alone


@pytest.fixture(scope="module")
def scene(face: Image) -> Image:
    """One face each upright and turned by every quarter, on a picture that is no square."""
    canvas = pictures.gradient(330, 500)
    for k, (x, y) in enumerate([(10, 10), (200, 20), (60, 170), (330, 150)]):
        pictures.paste(canvas, np.ascontiguousarray(np.rot90(pictures.scaled(face, 120), k)), x, y)
    return canvas


@pytest.mark.parametrize("degrees", TURNS)
def test_boxes_are_mapped_at_their_edges(degrees: int) -> None:
    """A bright rectangle's box and points, found in the turned picture by its pixels."""
    img = np.zeros((40, 70, 3), np.uint8)
    img[5:9, 20:31] = 255
    rows, columns = np.nonzero(turned(img, degrees)[:, :, 0])
    box = [columns.min(), rows.min(), columns.max(), rows.max(), 0.5]
    corner = [*[columns.min()] * 5, *[rows.min()] * 5]  # of the turned picture: lengths, from its edges
    dets, landmarks = turn_back((np.float32([box]), np.float32([corner])), degrees, 40, 70)
    np.testing.assert_array_equal(dets, np.float32([[20, 5, 30, 8, 0.5]]))
    x, y = {0: (20, 5), 90: (20, 9), 180: (31, 9), 270: (31, 5)}[degrees]
    np.testing.assert_array_equal(landmarks, np.float32([[x] * 5 + [y] * 5]))


@pytest.mark.parametrize("preset", ["accurate", "fast", "port"])
@pytest.mark.parametrize("degrees", TURNS[1:])
def test_a_turned_picture_has_the_faces_of_the_upright_one(
    degrees: int, preset: Any, astronaut: Image, detector: TrtMtcnn
) -> None:
    """Exactly as the mapping gives them: the cascade sees the same pixels."""
    img = np.ascontiguousarray(astronaut[:, 20:-51])
    upright = detector.detect(img, preset=preset)
    on_its_side = turned(img, 360 - degrees)
    dets, landmarks = detector.detect(on_its_side, preset=preset, rotations=(degrees,))
    # What was found lies in the pixels of the picture on its side, so turning it back is the upright picture's.
    back = turn_back((dets, landmarks), 360 - degrees, *img.shape[:2])
    assert len(dets) == 1
    np.testing.assert_allclose(back[0], upright[0], atol=1e-3)
    np.testing.assert_allclose(back[1], upright[1], atol=1e-3)


def test_every_turn(scene: Image, detector: TrtMtcnn) -> None:
    upright, _ = detector.detect(scene, **SURE)
    dets, landmarks = detector.detect(scene, rotations=TURNS, **SURE)
    assert len(upright) == 1 and len(dets) == 4 and (np.diff(dets[:, 4]) <= 0).all()
    assert landmarks.shape == (4, 10) and dets.dtype == landmarks.dtype == np.float32
    angles = sorted(head_pose(points)[2] % 359.9 for points in landmarks)
    np.testing.assert_allclose(np.cos(np.radians(angles) - np.radians(TURNS)), 1, atol=0.03)
    each = [detector.detect(scene, rotations=(degrees,), **SURE)[0] for degrees in TURNS]
    assert [len(found) for found in each] == [1, 1, 1, 1]
    np.testing.assert_array_equal(np.sort(np.concatenate(each), axis=0), np.sort(dets, axis=0))


def test_auto_turns_only_pictures_without_upright_faces(scene: Image, astronaut: Image, detector: TrtMtcnn) -> None:
    images = [scene, turned(astronaut, 180), np.zeros((30, 20, 3), np.uint8), turned(astronaut, 90)]
    found = detector.detect_batch(images, rotations="auto", **SURE)
    np.testing.assert_array_equal(found[0][0], detector.detect(scene, **SURE)[0])
    assert [len(dets) for dets, _ in found] == [1, 1, 0, 1]
    for img, (dets, landmarks) in zip(images, found, strict=True):
        alone = detector.detect(img, rotations="auto", **SURE)
        np.testing.assert_allclose(dets, alone[0], atol=1e-3)
        np.testing.assert_allclose(landmarks, alone[1], atol=1e-3)


@pytest.mark.parametrize("networks", [1, 2])
def test_without_onet_landmarks_are_zeros(networks: int, astronaut: Image, detector: TrtMtcnn) -> None:
    dets, landmarks = detector.detect(astronaut, rotations=TURNS, networks=networks)
    assert len(dets) and not landmarks.any()
    assert not detector.refine(astronaut, dets, rotations=TURNS, networks=networks)[1].any()


def test_of_one_face_the_best_turn_is_kept() -> None:
    """By the intersection over the smaller area; faces of one turn do not suppress each other."""
    box = np.float32([[10, 10, 29, 29, 0.8]])
    better, inside, beside = box + np.float32([2, 0, 2, 0, 0.1]), box + np.float32([5, 5, -5, -5, 0.05]), box.copy()
    beside[:, [0, 2]] += 11
    marks = np.zeros((1, 10), np.float32)
    dets, _ = merged([(box, marks), (better, marks), (inside, marks)])
    np.testing.assert_array_equal(dets, better)
    dets, _ = merged([(np.concatenate([box, box]), np.zeros((2, 10), np.float32)), (beside, marks)])
    assert len(dets) == 3
    none = np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)
    assert merged([none, none])[0].shape == (0, 5)


def test_all_turns_count_as_work(astronaut: Image, detector: TrtMtcnn) -> None:
    once = next(w for w in np.arange(0.2, 20, 0.2) if _fits(detector, astronaut, w, (0,)))
    assert not _fits(detector, astronaut, 2 * once, TURNS)
    assert _fits(detector, astronaut, 5 * once, TURNS)
    with pytest.raises(ValueError, match=r"images\[1\]: max_work .*; of several rotations each costs as much$"):
        detector.detect_batch([astronaut[:60, :60], astronaut], rotations=TURNS, max_work=2 * once)


def _fits(detector: TrtMtcnn, img: Image, work: float, rotations: tuple[int, ...]) -> bool:
    try:
        detector.detect(img, rotations=rotations, max_work=work)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("value", "error"),
    [("all", ValueError), ("0,90", ValueError), ((), ValueError), ((0, 0), ValueError), ((45,), ValueError),
     ((0, 90, 180, 270, 0), ValueError), ((360,), ValueError), ((-90,), ValueError), ((90.0,), TypeError),
     (90, TypeError), (None, TypeError), ((True,), TypeError)],
)  # fmt: skip
def test_wrong_rotations(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="rotations"):
        Params(rotations=value)


def test_a_profile_is_of_all_turns(astronaut: Image, detector: TrtMtcnn) -> None:
    once, all_of_them = (detector.profile(astronaut, repeats=1, rotations=r) for r in ((0,), TURNS))
    assert all_of_them.rnet_boxes > once.rnet_boxes and all_of_them.faces == once.faces == 1


@pytest.mark.parametrize(
    ("text", "value"), [("auto", "auto"), ("0,90", (0, 90)), ("270", (270,)), ("180, 0", (180, 0))]
)
def test_as_text(text: str, value: Any) -> None:
    """Of a command's option and of a request to `mtcnn serve`."""
    params = make_params("fast", {})
    assert rotations(text) == value == read_parameters([("rotations", text)], params).rotations
    for wrong in ("", "45", "0,0", "Auto", "0;90"):
        with pytest.raises(click.BadParameter, match="0,90,180,270"):
            rotations(wrong)
        with pytest.raises(ValueError, match="rotations"):
            read_parameters([("rotations", wrong)], params)


@pytest.mark.parametrize("degrees", TURNS)
def test_boxes_go_to_the_turned_picture_and_back(degrees: int) -> None:
    boxes = np.float32([[20, 5, 30, 8], [0, 0, 69, 39], [-3.5, 2.25, 80, 30]])
    there = turn_boxes(boxes, degrees, 40, 70)
    none = np.zeros((3, 10), np.float32)
    back, _ = turn_back((np.column_stack([there, np.ones(3, np.float32)]), none), degrees, 40, 70)
    np.testing.assert_allclose(back[:, :4], boxes, atol=1e-5)
    height, width = turned(np.zeros((40, 70, 3), np.uint8), degrees).shape[:2]
    np.testing.assert_array_equal(there[1], [0, 0, width - 1, height - 1])


@pytest.mark.parametrize("rotations", [TURNS, "auto", None])
@pytest.mark.parametrize("degrees", TURNS[1:])
def test_known_boxes_of_turned_faces(degrees: int, rotations: Any, astronaut: Image, detector: TrtMtcnn) -> None:
    """As `refine` finds them in the picture that stands upright."""
    img = np.ascontiguousarray(astronaut[:, 20:-51])
    dets, _ = detector.detect(img)
    upright = detector.refine(img, dets)
    on_its_side = turned(img, 360 - degrees)
    boxes = turn_boxes(dets[:, :4], 360 - degrees, *img.shape[:2])
    found = detector.refine(on_its_side, boxes, rotations=(degrees,) if rotations is None else rotations)
    back = turn_back(found, 360 - degrees, *img.shape[:2])
    assert len(found[0]) == 1
    np.testing.assert_allclose(back[0], upright[0], atol=1e-3)
    np.testing.assert_allclose(back[1], upright[1], atol=1e-3)
    assert detector.refine(on_its_side, [], rotations="auto")[0].shape == (0, 5)


@pytest.mark.parametrize("rotations", [TURNS, "auto"])
@pytest.mark.parametrize("degrees", TURNS)
def test_turned_faces_are_followed(degrees: int, rotations: Any, face: Image) -> None:
    """Where they are only expected, too: with their points, and with the score of the face that stands upright."""
    pytest.importorskip("scipy")
    with TrtMtcnn(device="cpu", rotations=rotations) as detector:
        tracker = Tracker(detector, every=6, smooth=False)
        for i in range(6):
            canvas = pictures.gradient(240, 300)
            pictures.paste(canvas, pictures.scaled(face, 120), 60 + 3 * i, 40 + 2 * i)
            img = turned(canvas, degrees)
            tracks = tracker.step(img, i / 25)
            dets, landmarks = detector.detect(canvas, preset="fast", rotations=(0,))
            assert len(tracks) == len(dets) == 1 and tracks.ids[0] == 1
            assert tracks.dets[0, 4] > 0.9
            # In the upright picture; found from where the face was expected, so some pixels apart.
            _, marks = turn_back((tracks.dets, tracks.landmarks), degrees, *canvas.shape[:2])
            assert np.abs(marks - landmarks).max() < 6


def test_which_turn_stands_upright() -> None:
    level = np.float32([[30, 66, 48, 34, 63, 52, 52, 72, 92, 92]])
    for lean in range(-180, 180, 15):
        angle = np.radians(lean)
        x, y = level[:, :5], level[:, 5:]
        leaning = np.hstack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)])
        if lean % 90 in (30, 45, 60):
            continue  # half way: either
        upright = -round(lean / 90) * 90 % 360
        assert upright_turns(leaning, "auto").tolist() == upright_turns(leaning, TURNS).tolist() == [upright]
        assert upright_turns(leaning, (0,)).tolist() == [0]
    assert upright_turns(np.empty((0, 10), np.float32), "auto").shape == (0,)


def test_auto_is_not_deceived_by_upright_faces_that_are_none(detector: TrtMtcnn) -> None:
    """In half of the photographs that stand on their head the networks see an upright face, its points anywhere."""
    files = sorted((need(DATA / "lfw_landmarks") / "images").glob("*.jpg"))[::40]
    images = [np.asarray(read_picture(file)) for file in files]
    upright = detector.detect_batch(images)
    for degrees in (180, 90):
        found = detector.detect_batch([turned(img, degrees) for img in images], rotations="auto")
        right = [
            np.abs(turn_back(faces, degrees, *img.shape[:2])[1][:, np.newaxis] - expected[1]).max(axis=2).min() < 0.01
            for img, faces, expected in zip(images, found, upright, strict=True)
        ]
        assert len(right) == 25 and sum(right) >= 24, sum(right)
