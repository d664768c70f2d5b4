"""FaceVerifier: the whole way from pictures to a verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mtcnn import DarkPictureError, FaceAligner, FaceEmbedder, FaceVerifier, NoFaceError, TrtMtcnn, points
from tests.conftest import DATA, ROOT, need
from tests.support.embedders import expected, make_embedder
from tests.support.pictures import paste

pytestmark = pytest.mark.slow

BLACK = np.zeros((80, 120, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_embedder(tmp_path_factory.mktemp("embedder") / "m.onnx")


@pytest.fixture(scope="module")
def verifier(model: Path, detector: TrtMtcnn) -> FaceVerifier:
    return FaceVerifier(FaceEmbedder(model, mirror=False), detector)


def test_embed_is_detect_align_embed(
    verifier: FaceVerifier, detector: TrtMtcnn, astronaut: np.ndarray, face: np.ndarray
) -> None:
    found = verifier.embed([astronaut, BLACK, face])
    assert found[1] is None
    for img, one in ((astronaut, found[0]), (face, found[2])):
        assert one is not None
        dets, landmarks = detector.detect(img)
        crop = FaceAligner(template="arcface").align(img, landmarks[0])
        np.testing.assert_allclose(one.det, dets[0], atol=1e-3)
        np.testing.assert_allclose(one.landmarks, landmarks[0], atol=1e-3)
        assert np.abs(one.crop.astype(int) - crop).max() <= 1
        np.testing.assert_allclose(one.embedding, expected(one.crop[np.newaxis])[0], atol=1e-5)


def test_errors_name_what_the_caller_gave(verifier: FaceVerifier, astronaut: np.ndarray) -> None:
    for wrong, problem in ((None, "is None"), ("b.jpg", "is a path"), (astronaut / 255, "holds floats in 0..1")):
        with pytest.raises((TypeError, ValueError), match=f"^b {problem}"):
            verifier.verify(astronaut, wrong)  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError), match=f"^a {problem}"):
            verifier.verify(wrong, astronaut)  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError), match=f"^others\\[1\\] {problem}"):
            verifier.compare([astronaut], [astronaut, wrong])  # type: ignore[list-item]
        with pytest.raises((TypeError, ValueError), match=f"^images\\[0\\] {problem}"):
            verifier.compare([wrong], [astronaut])  # type: ignore[list-item]
    with pytest.raises(NoFaceError, match="there is no face in b$"):
        verifier.verify(astronaut, BLACK, required=True)
    with pytest.raises(TypeError, match="^others must be a list of pictures"):
        verifier.compare([astronaut], astronaut)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_distances(model: Path, detector: TrtMtcnn, astronaut: np.ndarray, face: np.ndarray, metric: str) -> None:
    verifier = FaceVerifier(FaceEmbedder(model), detector, metric)
    dark = (astronaut * 0.3).astype(np.uint8)
    first, second = (one.embedding for one in verifier.embed([astronaut, dark]) if one is not None)
    distance = np.linalg.norm(first - second) if metric == "euclidean" else 1 - first @ second
    result = verifier.verify(astronaut, dark)
    assert result.distance == pytest.approx(distance, abs=1e-6) and result.distance > 0.01
    assert result.same is (result.distance <= result.threshold)
    again = verifier.verify(astronaut, astronaut)
    assert again.distance == pytest.approx(0, abs=1e-6)
    assert len(repr(again)) < 80 and len(repr(again.faces[0])) < 100  # without vectors and pixels

    strict = FaceVerifier(FaceEmbedder(model), detector, metric, threshold=result.distance * 0.99)
    assert strict.verify(astronaut, dark).same is False and not strict.verify(astronaut, dark)
    loose = FaceVerifier(FaceEmbedder(model), detector, metric, threshold=result.distance * 1.01)
    assert loose.verify(astronaut, dark).same is True and loose.verify(astronaut, dark)


def test_compare_many(verifier: FaceVerifier, astronaut: np.ndarray, face: np.ndarray) -> None:
    dark = (astronaut * 0.3).astype(np.uint8)
    each = verifier.compare([astronaut, BLACK, face, dark])
    assert each.shape == (4, 4) and each.dtype == np.float32
    assert np.isnan(each[1]).all() and np.isnan(each[:, 1]).all()
    seen = np.delete(np.delete(each, 1, 0), 1, 1)
    np.testing.assert_allclose(seen, seen.T, atol=1e-6)
    np.testing.assert_allclose(np.diagonal(seen), 0, atol=1e-3)
    assert verifier.verify(astronaut, dark).distance == pytest.approx(each[0, 3], abs=1e-3)
    some = verifier.compare([astronaut], (img for img in (BLACK, dark)))
    assert some.shape == (1, 2) and np.isnan(some[0, 0])
    assert some[0, 1] == pytest.approx(each[0, 3], abs=1e-3)
    assert np.isnan(verifier.compare([BLACK], [astronaut])).all()
    assert verifier.compare([]).shape == (0, 0)


def test_no_face_is_a_result(verifier: FaceVerifier, astronaut: np.ndarray) -> None:
    result = verifier.verify(astronaut, BLACK)
    assert result.same is None and result.distance is None and not result
    assert result.faces[0] is not None and result.faces[1] is None
    with pytest.raises(NoFaceError, match="no face in b$"):
        verifier.verify(astronaut, BLACK, required=True)
    with pytest.raises(NoFaceError, match=r"images\[0\]"):
        verifier.embed([BLACK], required=True)
    with pytest.raises(TypeError, match=r"list of pictures; of a single one make a list, \[img\]"):
        verifier.compare(astronaut, astronaut)


def test_the_face_is_chosen(model: Path, detector: TrtMtcnn, face: np.ndarray) -> None:
    img = np.full((300, 800, 3), 128, np.uint8)
    paste(img, face, 10, 40)
    paste(img, np.ascontiguousarray(face[::2, ::2]), 380, 120)
    chosen = {}
    for by in ("largest", "central"):
        one = FaceVerifier(FaceEmbedder(model), detector, face=by).embed([img])[0]
        assert one is not None
        chosen[by] = one.det[0]
    assert chosen["largest"] < 200 < 380 <= chosen["central"]


def test_takes_a_path_and_makes_a_detector(model: Path, engines: dict[str, Path], astronaut: np.ndarray) -> None:
    assert FaceVerifier(str(model)).verify(astronaut, astronaut[:, ::-1]).same


def test_many_pictures_keep_their_order(verifier: FaceVerifier, astronaut: np.ndarray) -> None:
    faces = verifier.embed([BLACK if i % 3 else astronaut for i in range(40)])
    assert [face is None for face in faces] == [bool(i % 3) for i in range(40)]


def test_errors_name_the_picture_of_the_call(verifier: FaceVerifier, astronaut: np.ndarray) -> None:
    images = [BLACK] * 40
    images[33] = astronaut / 255
    with pytest.raises(ValueError, match=r"images\[33\]"):
        verifier.embed(images)
    images[33] = (astronaut / 255).astype(np.uint8)
    with pytest.raises(DarkPictureError, match=r"images\[33\]"):
        verifier.compare(images)


def test_crops_are_arcfaces(model: Path, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    """What embedders are trained on; vectors that were made with another template go on with that one."""
    _, landmarks = detector.detect(astronaut)
    for settings, name in (({}, "arcface"), ({"template": "seed"}, "seed")):
        (one,) = FaceVerifier(model, detector, **settings).embed([astronaut])  # type: ignore[arg-type]
        assert one is not None
        expected_crop = FaceAligner((112, 112), template=name).align(astronaut, landmarks[0])
        np.testing.assert_array_equal(one.crop, expected_crop)
    with pytest.raises(ValueError, match="^template must be"):
        FaceVerifier(model, detector, template="ArcFace")


def test_known_faces_in_either_shape(verifier: FaceVerifier, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
    dets, landmarks = detector.detect(astronaut)
    row, five = (verifier.embed_detected([(astronaut, dets, m)])[0] for m in (landmarks, points(landmarks)))
    assert row is not None and five is not None
    np.testing.assert_array_equal(row.landmarks, landmarks[0])
    np.testing.assert_array_equal(five.landmarks, landmarks[0])
    np.testing.assert_array_equal(row.embedding, five.embedding)
    with pytest.raises(ValueError, match=r"landmarks\[0\] seems to be reshape\(5, 2\)"):
        verifier.embed_detected([(astronaut, dets, landmarks.reshape(-1, 5, 2))])
    with pytest.raises(ValueError, match="landmarks must have a row for each of the 1 boxes in dets, got 2"):
        verifier.embed_detected([(astronaut, dets, np.repeat(landmarks, 2, axis=0))])


def test_wrong_arguments(model: Path, detector: TrtMtcnn, verifier: FaceVerifier, astronaut: np.ndarray) -> None:
    for name, value in [("metric", "manhattan"), ("threshold", 3), ("face", "first")]:
        with pytest.raises(ValueError, match=f"^{name} must be"):
            FaceVerifier(model, detector, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="embedder must be the path"):
        FaceVerifier(None, detector)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"of a single one make a list, \[img\]"):
        verifier.embed(astronaut)


@pytest.mark.slow
def test_accuracy_on_labelled_pairs() -> None:
    pairs, embedder = need(DATA / "lfw_pairs" / "pairs.csv"), need(DATA / "embedder" / "mobilefacenet.onnx")
    command = [
        sys.executable,
        "-m",
        "benchmarks.verification.lfw_pairs",
        str(pairs),
        "--embedder",
        str(embedder),
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["pairs"] == 600 and report["without_a_face"] == 0
    assert report["accuracy_10_fold"] >= 0.985  # 0.990, of which 0.982 is the lower end of the interval
    assert 1.15 < report["best_threshold"] < 1.23


def environment() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": str(ROOT)}
