"""L-Net: the same landmarks from all that runs it, the errors where it is missing, and what its weights are worth."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import pytrt
from benchmarks.accuracy.landmarks import nearest_face, point_scores
from mtcnn import EngineError, TrtMtcnn, create_engines
from mtcnn.cascade import detect as run_cascade
from mtcnn.engines import NETWORKS, load_engine, models_folder
from mtcnn.engines.devices import cpu_device
from mtcnn.engines.libraries import openvino_library
from mtcnn.export.weights import read_weights
from mtcnn.params import make_params
from tests.conftest import DATA, ROOT, need, read_picture
from tests.reference import cascade
from tests.support import weight_files
from tests.support.emulated import MODES, emulated_gpu
from tests.support.lnet import lnet_model, lnet_weights

SWAPPED = [1, 0, 2, 4, 3]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's models and an L-Net."""
    folder = tmp_path_factory.mktemp("models")
    for network in NETWORKS:
        shutil.copy(models_folder() / f"{network}.onnx", folder)
    (folder / "lnet.onnx").write_bytes(lnet_model())
    return folder


@pytest.fixture(scope="module")
def four(models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return create_engines(tmp_path_factory.mktemp("four"), models, flavour="cpu")


@pytest.fixture(scope="module")
def refining(four: list[Path]) -> Iterator[TrtMtcnn]:
    with TrtMtcnn(four, device="cpu") as detector:
        yield detector


@pytest.fixture(scope="module")
def scenes(astronaut: np.ndarray) -> list[np.ndarray]:
    """Faces of several sizes, cut by the picture's edges, and a picture of none."""
    crowd = np.full((260, 400, 3), 90, np.uint8)
    face = astronaut[20:220, 120:330]
    for x, y, step in ((0, 0, 1), (220, 10, 2), (330, 100, 3)):
        part = face[::step, ::step]
        part = part[: crowd.shape[0] - y, : crowd.shape[1] - x]
        crowd[y : y + part.shape[0], x : x + part.shape[1]] = part
    large = np.repeat(np.repeat(astronaut[30:190, 150:300], 4, axis=0), 4, axis=1)
    cut = np.ascontiguousarray(astronaut[70:170, 190:300])
    return [astronaut, crowd, large, cut, np.zeros((50, 70, 3), np.uint8)]


@pytest.mark.parametrize("n", [1, 2, 8, 19])
@pytest.mark.parametrize("kind", ["native", "OpenVINO"])
def test_the_network(kind: str, n: int) -> None:
    device = cpu_device() if kind == "native" else pytrt.CpuDevice(openvino_library(), 2, native=False)
    engine = device.load_engine(lnet_model())
    assert (engine.input, engine.outputs) == (("data", (-1, 15, 24, 24)), [("landmarks", (-1, 10, 1, 1))])
    data = np.random.default_rng(n).uniform(-1, 1, (n, 15, 24, 24)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(lnet_model()).run(None, {"data": data})
    np.testing.assert_allclose(engine.infer(data)["landmarks"], expected, atol=2e-5)
    if kind == "native":
        halves = device.load_engine(lnet_model(), "bf16").infer(data)["landmarks"]
        assert 0 < np.abs(halves - expected).max() < 0.1 or "bf16" not in pytrt.bf16_kernels()[0]


def stages_of(kind: str, four: list[Path]) -> pytrt.Stages:
    device: pytrt.Device = {
        "native": cpu_device,
        "OpenVINO": lambda: pytrt.CpuDevice(openvino_library(), 2, native=False),
        **{f"GPU's code, {mode}": lambda mode=mode: emulated_gpu(mode) for mode in MODES},  # type: ignore[misc]
    }[kind]()
    return pytrt.Stages(device, *(device.load_engine(path.read_bytes()) for path in four))


@pytest.mark.parametrize("preset", ["accurate", "fast", "port"])
@pytest.mark.parametrize("kind", ["native", "OpenVINO", *(f"GPU's code, {mode}" for mode in MODES)])
def test_agrees_with_the_formulas(kind: str, preset: str, four: list[Path], scenes: list[np.ndarray]) -> None:
    """Boxes and scores are those without L-Net; its landmarks those of the plain cascade."""
    p = make_params(preset, {"minsize": 30, "landmark_net": True})
    stages = stages_of(kind, four)
    refined = run_cascade(stages, scenes, p)
    plain = run_cascade(stages, scenes, make_params(p, {"landmark_net": False}))
    assert sum(len(dets) for dets, _ in refined) >= 5
    for img, (dets, landmarks), (plain_dets, plain_landmarks) in zip(scenes, refined, plain, strict=True):
        np.testing.assert_array_equal(dets, plain_dets)
        expected_dets, expected = cascade.detect(img, 30, preset, lnet=lnet_model())
        assert len(dets) == len(expected_dets)
        if not len(dets):
            continue
        order = np.abs(dets[:, np.newaxis] - expected_dets).max(axis=2).argmin(axis=0)
        difference = np.abs(landmarks[order] - expected)
        assert difference.max() <= (1 if preset == "port" else 0.05), difference.max()
        moved = np.abs(landmarks - plain_landmarks)
        assert moved.max() > 1  # of these weights some points move and some moves are too far
        assert np.isfinite(landmarks).all()


def test_is_used_where_it_is_there(
    refining: TrtMtcnn, detector: TrtMtcnn, four: list[Path], astronaut: np.ndarray
) -> None:
    dets, plain = detector.detect(astronaut)
    found, refined = refining.detect(astronaut)
    np.testing.assert_array_equal(found, dets)
    assert np.abs(refined - plain).max() > 0.5
    for settings in ({"landmark_net": False}, {"preset": "port"}):
        ours, theirs = (one.detect(astronaut, **settings) for one in (refining, detector))  # type: ignore[arg-type]
        np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(refining.detect(astronaut, landmark_net=True)[1], refined)
    batch = refining.detect_batch([astronaut, np.zeros((40, 40, 3), np.uint8), astronaut])
    for landmarks in (batch[0][1], batch[2][1]):
        np.testing.assert_allclose(landmarks, refined, atol=1e-4)
    near = [one.refine(astronaut, dets)[1] for one in (refining, detector)]  # on boxes that are known
    assert np.abs(near[0] - near[1]).max() > 0.5
    assert "L-Net" in str(refining.profile(astronaut, repeats=1))
    assert "L-Net" not in str(detector.profile(astronaut, repeats=1))


@pytest.mark.filterwarnings("ignore::mtcnn.UnusedParameterWarning")
def test_is_missing(detector: TrtMtcnn, four: list[Path], astronaut: np.ndarray) -> None:
    for img in (astronaut, astronaut[:30, :30]):  # whether there are faces or not
        for settings in ({}, {"networks": 2}, {"rotations": (90,)}, {"max_work": 100.0}):
            with pytest.raises(ValueError, match=r"landmark_net=True needs L-Net's engine: mtcnn export"):
                detector.detect(img, landmark_net=True, **settings)  # type: ignore[arg-type]
    for engines in (None, four[:3]):
        with pytest.raises(EngineError, match=r"landmark_net=True needs L-Net's engine"):
            TrtMtcnn(engines, device="cpu", landmark_net=True)
    with pytest.raises(TypeError, match="landmark_net must be True or False"):
        detector.detect(astronaut, landmark_net="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"engines must be three paths .* or four with L-Net's, got 5"):
        TrtMtcnn([*four, four[3]], device="cpu")
    with pytest.raises(EngineError, match="is an engine of onet, not of lnet"):
        TrtMtcnn([*four[:3], four[2]], device="cpu")
    device = cpu_device()
    nets = [load_engine(path, device) for path in four]
    with pytest.raises(EngineError, match="the fourth engine is not an L-Net"):
        pytrt.Stages(device, *nets[:3], nets[1])
    with pytest.raises(ValueError, match="lnet was not given"):
        pytrt.Stages(device, *nets[:3]).lnet()


def test_the_work_that_it_takes_is_limited(refining: TrtMtcnn, astronaut: np.ndarray) -> None:
    p = {"minsize": 80, "preset": "fast"}
    costs = [k / 1000 for k in range(1, 3000, 5)]
    enough = next(c for c in costs if _detects(refining, astronaut, max_work=c, landmark_net=False, **p))
    with pytest.raises(ValueError, match=r"with L-Net's 1 faces: raise thresholds\[2\] or minsize"):
        refining.detect(astronaut, max_work=enough + 0.005, **p)  # type: ignore[arg-type]
    refining.detect(astronaut, max_work=enough + 0.02, **p)  # type: ignore[arg-type]


def _detects(detector: TrtMtcnn, img: np.ndarray, **settings: Any) -> bool:
    try:
        return len(detector.detect(img, **settings)[0]) > 0
    except ValueError:
        return False


def test_the_default_folder(
    models: Path, astronaut: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRT_MTCNN_ENGINES", str(tmp_path))
        plain = TrtMtcnn(device="cpu").detect(astronaut)[1]
        made = create_engines(models=models, flavour="cpu")
        assert [path.name for path in made] == ["pnet.engine", "rnet.engine", "onet.engine", "lnet.engine"]
        before = {path: path.stat().st_mtime_ns for path in made}
        refined = TrtMtcnn(device="cpu").detect(astronaut)[1]
        assert np.abs(refined - plain).max() > 0.5
        assert {path: path.stat().st_mtime_ns for path in made} == before  # nothing is built again
        np.testing.assert_array_equal(TrtMtcnn(device="cpu", landmark_net=False).detect(astronaut)[1], plain)
        assert "ready in" in _info() and "with L-Net" in _info()
        made[3].write_bytes(b"damaged")
        assert "without L-Net: " in _info()
        with caplog.at_level("WARNING", "mtcnn"):
            np.testing.assert_array_equal(TrtMtcnn(device="cpu").detect(astronaut)[1], plain)
        assert "landmarks are not refined" in caplog.text and "lnet.engine is damaged" in caplog.text
        with pytest.raises(EngineError, match="landmark_net=True needs"):
            TrtMtcnn(device="cpu", landmark_net=True)


def _info() -> str:
    return subprocess.run(
        [sys.executable, "-m", "mtcnn", "info"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_export_of_caffe_files(tmp_path: Path, astronaut: np.ndarray) -> None:
    """What the authors publish, without TensorFlow; here with random weights in det4."""
    source, models = tmp_path / "caffe", tmp_path / "models"
    source.mkdir()
    own = read_weights([models_folder()])
    for i, weights in enumerate((*own.values(), lnet_weights()), 1):
        (source / f"det{i}.caffemodel").write_bytes(weight_files.caffe(weights))
        (source / f"det{i}.prototxt").write_text('name: "Net"\n')
    command = [sys.executable, "-m", "mtcnn", "export", str(source), "--output", str(models)]
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = {row["network"]: row for row in json.loads(done.stdout)["networks"]}
    assert list(rows) == [*NETWORKS, "lnet"]
    assert all(row["from_numpy"] < 1e-5 and row["crops"] > 0 for row in rows.values())
    assert all(rows[network]["from_own"] == 0 for network in NETWORKS) and rows["lnet"]["from_own"] is None
    for network in NETWORKS:  # so that engines which are there are not built again
        assert (models / f"{network}.onnx").read_bytes() == (models_folder() / f"{network}.onnx").read_bytes()
    engines = create_engines(tmp_path / "engines", models, flavour="cpu")
    assert len(engines) == 4 and len(TrtMtcnn(engines, "cpu").detect(astronaut)[0]) == 1
    for options, said in (
        (["--layout", "nhwc", "--overwrite"], "leave L-Net (det4) out"),
        (["--through-keras", "--overwrite"], "L-Net has no Keras model"),
    ):
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def authors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrtMtcnn]:
    """With the authors' own L-Net."""
    caffe, folder = need(DATA / "caffe"), tmp_path_factory.mktemp("authors")
    command = [sys.executable, "-m", "mtcnn", "export", str(caffe), "--output", str(folder / "models")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with TrtMtcnn(create_engines(folder / "engines", folder / "models", flavour="cpu"), "cpu") as detector:
        yield detector


@pytest.mark.slow
def test_the_error_of_the_points(authors: TrtMtcnn) -> None:
    """On every fourth labelled photograph. Of all 1,000: docs/accuracy.md."""
    folder = need(DATA / "lfw_landmarks")
    with (folder / "landmarks.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1::4]
    truth = np.array([row[1:] for row in rows], float)
    pictures = [read_picture(folder / row[0]) for row in rows]
    found = {use: authors.detect_batch(pictures, 20, landmark_net=use) for use in (False, True)}
    scores = {}
    for use, faces in found.items():
        index = [nearest_face(dets.astype(float), labels) for (dets, _), labels in zip(faces, truth, strict=True)]
        scores[use] = point_scores([marks[i] for (_, marks), i in zip(faces, index, strict=True)], truth)
    assert scores[True].nme <= 3.6 < scores[False].nme
    assert scores[True].scatter <= 0.77 * scores[False].scatter  # 0.74 of all 1,000


@pytest.mark.slow
@pytest.mark.parametrize("landmark_net", [False, True])
def test_points_count_from_the_edge(authors: TrtMtcnn, landmark_net: bool) -> None:
    """A picture and its mirror image: x + x' is the width. Boxes lie 0.6 pixels left of where that puts them."""
    folder = need(DATA / "lfw_landmarks")
    with (folder / "landmarks.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1::10]
    pictures = [read_picture(folder / row[0]) for row in rows]
    truth = np.array([row[1:] for row in rows], float)
    mirrored = truth.reshape(-1, 2, 5)[:, :, SWAPPED] * [[[-1], [1]]] + [[[pictures[0].shape[1]], [0]]]
    sums, boxes = [], []
    settings: dict[str, Any] = {"minsize": 20, "landmark_net": landmark_net}
    there = authors.detect_batch(pictures, **settings)
    back = authors.detect_batch([np.ascontiguousarray(img[:, ::-1]) for img in pictures], **settings)
    for one, other, labels, turned in zip(there, back, truth, mirrored, strict=True):
        i, k = nearest_face(one[0].astype(float), labels), nearest_face(other[0].astype(float), turned.ravel())
        sums.append(one[1][i, :5] + other[1][k, SWAPPED] - pictures[0].shape[1])
        boxes.append(one[0][i, [0, 2]] + other[0][k, [2, 0]] - pictures[0].shape[1])
    assert abs(np.mean(sums)) < (0.05 if landmark_net else 0.2), np.mean(sums)
    assert -2.6 < np.mean(boxes) < -1.7, np.mean(boxes)
