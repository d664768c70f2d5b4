"""Weights to Keras to ONNX to engines, with TensorFlow. `make export` runs it in an environment that has it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: make export")
pytest.importorskip("tf2onnx")

from mtcnn import MtcnnError, TrtMtcnn, create_engines
from mtcnn.engines.networks import ARCHITECTURES, OUTPUTS
from mtcnn.engines.settings import CPU
from mtcnn.export import Converted, convert, make_model, read_weights
from mtcnn.export.compare import FACE, TOLERANCE, compare, runs_natively, samples, session
from mtcnn.export.keras_models import keras
from mtcnn.export.onnx_graph import tidy
from tests.conftest import DATA, ROOT, need, read_picture
from tests.support import weight_files as files
from tests.support.wheels import download

pytestmark = pytest.mark.filterwarnings("default")  # TensorFlow's own

MODELS = ROOT / "mtcnn" / "models"
NETS = tuple(ARCHITECTURES)
ORIGINALS = read_weights([MODELS])


def dims(value: Any) -> tuple[str, list[int | str]]:
    return value.name, [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


@pytest.fixture(scope="module")
def converted() -> dict[tuple[str, str], Converted]:
    return {(net, layout): convert(ORIGINALS[net], layout) for net in NETS for layout in ("nchw", "nhwc")}


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Real ones: the astronaut's face and, where there is the data, people in a street."""
    found = [read_picture(FACE), read_picture(ROOT / "docs" / "images" / "astronaut.jpg")]
    folder = DATA / "photos"
    return found + [read_picture(path) for path in sorted(folder.glob("200*.jpg"))[:2]]


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_onnx_computes_what_keras_and_the_own_models_do(
    net: str, layout: str, converted: dict[Any, Converted], pictures: list[np.ndarray]
) -> None:
    found = compare(converted[net, layout], pictures)
    assert found.agrees and found.keras <= TOLERANCE and found.own <= TOLERANCE
    assert found.scores[0] < 0.01 and found.scores[1] > 0.9  # both faces and not faces were seen


@pytest.mark.parametrize("net", NETS)
def test_nchw_is_the_own_models_graph(net: str, converted: dict[Any, Converted]) -> None:
    ours, theirs = onnx.load(MODELS / f"{net}.onnx"), onnx.load_from_string(converted[net, "nchw"].onnx)
    assert Counter(n.op_type for n in theirs.graph.node) == Counter(n.op_type for n in ours.graph.node)
    for a, b in ((ours.graph.input, theirs.graph.input), (ours.graph.output, theirs.graph.output)):
        assert [dims(value) for value in a] == [dims(value) for value in b]
    named = [{t.name: onnx.numpy_helper.to_array(t) for t in m.graph.initializer} for m in (ours, theirs)]
    assert named[0].keys() == named[1].keys()
    for name, array in named[0].items():
        np.testing.assert_array_equal(array, named[1][name])
    assert [(o.domain, o.version) for o in theirs.opset_import] == [("", 13)]
    assert runs_natively(converted[net, "nchw"])


@pytest.mark.parametrize("net", NETS)
def test_nhwc_is_what_keras_has(net: str, converted: dict[Any, Converted]) -> None:
    graph = onnx.load_from_string(converted[net, "nhwc"].onnx).graph
    side = ARCHITECTURES[net].side
    size = [side, side] if side else ["h", "w"]
    grid = [] if side else ["grid_h", "grid_w"]
    outputs = list(ARCHITECTURES[net].heads)
    assert [dims(value) for value in graph.input] == [("input_1", ["n", *size, 3])]
    assert [dims(value) for value in graph.output] == [(name, ["n", *grid, OUTPUTS[name]]) for name in outputs]
    assert sum(node.op_type == "PRelu" for node in graph.node) == len(ARCHITECTURES[net].layers)
    assert not runs_natively(converted[net, "nhwc"])


@pytest.mark.parametrize("net", NETS)
def test_opset_and_layer_names(net: str, pictures: list[np.ndarray]) -> None:
    names = {"pnet": ["conv4-1", "conv4-2"], "rnet": ["conv5-1", "conv5-2"], "onet": ["conv6-1", "conv6-2", "conv6-3"]}
    made = convert(ORIGINALS[net], "nhwc", 18, layer_names=True)
    model = onnx.load_from_string(made.onnx)
    assert [o.version for o in model.opset_import] == [18]
    assert [o.name for o in model.graph.output] == names[net]
    assert compare(made, pictures[:1]).agrees
    assert runs_natively(convert(ORIGINALS[net], "nchw", 18))


def test_engines_of_them_detect_the_same(
    converted: dict[Any, Converted], tmp_path: Path, detector: TrtMtcnn, pictures: list[np.ndarray]
) -> None:
    for net in NETS:
        (tmp_path / f"{net}.onnx").write_bytes(converted[net, "nchw"].onnx)
    engines = create_engines(tmp_path / "engines", tmp_path)
    with TrtMtcnn(engines, device="cpu") as other:
        for preset in ("port", "fast", "accurate"):
            for img in pictures[1:]:
                dets, landmarks = other.detect(img, 20, preset=preset)
                expected = detector.detect(img, 20, preset=preset)
                assert len(dets) == len(expected[0]) > 0
                np.testing.assert_allclose(dets[:, :4], expected[0][:, :4], atol=1)
                np.testing.assert_allclose(dets[:, 4], expected[0][:, 4], atol=1e-3)
                np.testing.assert_allclose(landmarks, expected[1], atol=1)


@pytest.mark.parametrize("ending", ["weights.h5", "h5", "keras"])
@pytest.mark.parametrize("net", NETS)
def test_what_keras_3_saves_can_be_read(net: str, ending: str, tmp_path: Path) -> None:
    model = make_model(ORIGINALS[net])
    path = tmp_path / f"{net}.{ending}"
    model.save_weights(path) if ending == "weights.h5" else model.save(path)
    found = read_weights([path])[net]
    for a, b in zip(found.arrays(), ORIGINALS[net].arrays(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_keras_model_of_mtcnn_keras(tmp_path: Path) -> None:
    """Its R-Net built as it is there, with Permute, Flatten and Dense: the weights mean what they mean to Keras."""
    layers = keras().layers
    x = data = layers.Input((24, 24, 3))
    for i, (channels, kernel) in enumerate([(28, 3), (48, 3), (64, 2)], 1):
        x = layers.Conv2D(channels, kernel, name=f"conv{i}")(x)
        x = layers.PReLU(shared_axes=[1, 2], name=f"prelu{i}")(x)
        if i < 3:
            x = layers.MaxPool2D(3, 2, "same" if i == 1 else "valid")(x)
    x = layers.Dense(128, name="conv4")(layers.Flatten()(layers.Permute((3, 2, 1))(x)))
    x = layers.PReLU(name="prelu4")(x)
    outputs = [layers.Dense(2, activation="softmax", name="conv5-1")(x), layers.Dense(4, name="conv5-2")(x)]
    model = keras().Model(data, outputs)
    path = tmp_path / "rnet.h5"
    path.write_bytes(files.keras_2(ORIGINALS["rnet"]))
    real = DATA / "keras_weights" / "rnet.h5"
    for source in (path, real) if real.exists() else (path,):
        model.load_weights(source)
        ours = session((MODELS / "rnet.onnx").read_bytes())
        for crops in samples("rnet", [read_picture(FACE)]):
            prob, boxes = (np.asarray(value) for value in model(crops.transpose(0, 2, 3, 1)))
            expected = ours.run(["prob1", "boxes"], {"data": crops})
            np.testing.assert_allclose(prob, expected[0][:, :, 0, 0], atol=TOLERANCE)
            np.testing.assert_allclose(boxes, expected[1][:, :, 0, 0], atol=TOLERANCE)
    model.save_weights(tmp_path / "again.weights.h5")
    found = read_weights([tmp_path / "again.weights.h5"])["rnet"]
    for a, b in zip(found.arrays(), ORIGINALS["rnet"].arrays(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_that_computes_something_else_is_seen(converted: dict[Any, Converted]) -> None:
    right = converted["onet", "nchw"]
    model = onnx.load_from_string(right.onnx)
    (bias,) = (t for t in model.graph.initializer if t.name == "fc6-3.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(1e-4), bias.name))
    wrong = compare(replace(right, onnx=model.SerializeToString()), [read_picture(FACE)])
    assert not wrong.agrees and wrong.keras == pytest.approx(1e-4, rel=0.1)


def test_a_graph_that_is_not_known_is_refused() -> None:
    import tensorflow
    import tf2onnx

    layers = keras().layers
    data = layers.Input((24, 24, 3), name="input_1")
    model = keras().Model(data, layers.Conv2D(4, 3, padding="same", activation="relu", name="fc5-2")(data))
    signature = [tensorflow.TensorSpec((None, 24, 24, 3), tensorflow.float32, name="input_1")]
    made, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=13)
    with pytest.raises(MtcnnError, match="this tf2onnx writes networks in a way not known here"):
        tidy(made, ARCHITECTURES["rnet"], "nchw", False, {})


@pytest.mark.parametrize("requirement", ["mtcnn==0.1.1", "mtcnn==1.0.0", "facenet-pytorch==2.6.0"])
def test_the_published_weights_are_the_own_ones(requirement: str, tmp_path: Path) -> None:
    found = read_weights([download(requirement, tmp_path)])
    assert list(found) == list(NETS)
    for net in NETS:
        for a, b in zip(found[net].arrays(), ORIGINALS[net].arrays(), strict=True):
            np.testing.assert_array_equal(a, b)


def mtcnn(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "mtcnn", *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr and "oneDNN" not in done.stderr, done.stderr
    return done


def test_the_example_in_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keras_weights").mkdir()
    for net in NETS:
        (tmp_path / "keras_weights" / f"{net}.h5").write_bytes(files.keras_2(ORIGINALS[net]))
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "export.md").read_text(), re.M | re.S)
    exec(compile(code, "export.md", "exec"), {})
    assert dims(onnx.load("pnet.onnx").graph.input[0]) == ("input_1", ["n", "h", "w", 3])


class TestCommand:
    def test_keras_weights_to_engines(self, tmp_path: Path) -> None:
        folder = tmp_path / "keras_weights"
        folder.mkdir()
        for net in NETS:
            (folder / f"{net}.h5").write_bytes(files.keras_2(ORIGINALS[net]))
        models, engines = tmp_path / "models", tmp_path / "engines"
        done = mtcnn("export", folder, "--output", models, "--keras", "--json")
        rows = json.loads(done.stdout)["networks"]
        assert [row["network"] for row in rows] == list(NETS)
        assert all(row["from_keras"] <= 1e-5 and row["from_own"] <= 1e-5 and row["native"] for row in rows)
        made = mtcnn("engines", "--models", models, "--output", engines, "--flavour", CPU).stdout.split()
        assert [Path(path).name for path in made] == [f"{net}.engine" for net in NETS]
        again = mtcnn("export", *(models / f"{net}.keras" for net in NETS), "--output", tmp_path / "again")
        assert again.stdout.count("0.0e+00") == 3  # the package's own weights
        assert f"create_engines --models {tmp_path / 'again'}" in again.stderr

    def test_one_network_and_nhwc(self, tmp_path: Path) -> None:
        (tmp_path / "p.pt").write_bytes(files.torch_zip(files.torch_tensors(ORIGINALS["pnet"])))
        picture = tmp_path / "a.png"
        cv2.imwrite(str(picture), read_picture(FACE)[:70])
        done = mtcnn("export", tmp_path / "p.pt", "--output", tmp_path, "--layout", "nhwc", "--picture", picture)
        assert "not among these weights: onet, rnet" in done.stderr
        assert sorted(path.name for path in tmp_path.glob("*.onnx")) == ["pnet.onnx"]
        said = mtcnn("engines", "--models", tmp_path, "--output", tmp_path / "e", "--flavour", CPU, code=1).stderr
        assert "rnet.onnx" in said

    def test_what_create_engines_says_of_nhwc(self, tmp_path: Path, converted: dict[Any, Converted]) -> None:
        for net in NETS:
            (tmp_path / f"{net}.onnx").write_bytes(converted[net, "nhwc"].onnx)
        said = mtcnn("engines", "--models", tmp_path, "--output", tmp_path / "e", "--flavour", CPU, code=1).stderr
        assert "(n, h, w, 3)" in said and "--layout nchw" in said

    def test_nothing_is_overwritten_that_is_read(self, tmp_path: Path, converted: dict[Any, Converted]) -> None:
        path = tmp_path / "pnet.onnx"
        path.write_bytes(converted["pnet", "nchw"].onnx)
        before = path.read_bytes()
        assert "would be overwritten" in mtcnn("export", path, "--output", tmp_path, code=1).stderr
        assert path.read_bytes() == before

    def test_backends(self) -> None:
        picture = ROOT / "docs" / "images" / "astronaut.jpg"
        done = mtcnn("bench", picture, "--backend", "keras,keras-batch,onnxruntime", "--calls", 2, "--json")
        rows = json.loads(done.stdout)["backends"]
        assert [row["backend"] for row in rows] == ["keras", "keras-batch", "onnxruntime", "TrtMtcnn"]
        assert all(row["faces"] == 2 and row["apart_px"] < 0.01 and row["per_s"] > 0 for row in rows)

    def test_the_film(self) -> None:
        film = need(DATA / "photos" / "crowd-1080p.mp4")
        done = mtcnn("bench", film, "--backend", "keras-batch,native", "--calls", 3, "--json")
        rows = json.loads(done.stdout)["backends"]
        assert len({row["faces"] for row in rows}) == 1 and all(row["apart_px"] < 0.01 for row in rows)
