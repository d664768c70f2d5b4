"""The three ONNX models: structure, provenance, shapes, and the properties the pyramid canvas rests on."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.support.wheels import download

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "mtcnn" / "models"
NETS = ("pnet", "rnet", "onet")
SIZES = {"rnet": 24, "onet": 48}
CHANNELS = {"prob1": 2, "boxes": 4, "landmarks": 10}
OUTPUTS = {"pnet": ["prob1", "boxes"], "rnet": ["prob1", "boxes"], "onet": ["prob1", "boxes", "landmarks"]}
WEIGHTS_SHA256 = "9e04e975abf93c7173e956df4b496d6da269e08b9e87f2daec963ee1176576b0"

Array = NDArray[np.float32]


def load(net: str) -> onnx.ModelProto:
    return onnx.load(MODELS / f"{net}.onnx")


def session(net: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(MODELS / f"{net}.onnx", options, providers=["CPUExecutionProvider"])


def run(net: str, data: Array) -> dict[str, Array]:
    return dict(zip(OUTPUTS[net], session(net).run(OUTPUTS[net], {"data": data}), strict=True))


def noise(*shape: int) -> Array:
    return np.random.default_rng(len(shape) + sum(shape)).uniform(-1, 1, shape).astype(np.float32)


def dims(value: onnx.ValueInfoProto) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize(
    ("net", "operations"),
    [
        ("pnet", {"Conv": 5, "PRelu": 3, "MaxPool": 1, "Softmax": 1}),
        ("rnet", {"Conv": 6, "PRelu": 4, "MaxPool": 2, "Softmax": 1}),
        ("onet", {"Conv": 8, "PRelu": 5, "MaxPool": 3, "Softmax": 1}),
    ],
)
def test_operations(net: str, operations: dict[str, int]) -> None:
    assert Counter(node.op_type for node in load(net).graph.node) == operations


@pytest.mark.parametrize("net", NETS)
def test_valid_and_plain(net: str) -> None:
    model = load(net)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
    assert {w.data_type for w in model.graph.initializer} == {onnx.TensorProto.FLOAT}


@pytest.mark.parametrize(("net", "parameters"), [("pnet", 6_632), ("rnet", 100_178), ("onet", 389_040)])
def test_parameter_count(net: str, parameters: int) -> None:
    assert sum(numpy_helper.to_array(w).size for w in load(net).graph.initializer) == parameters


@pytest.mark.parametrize("net", NETS)
def test_prelu_slopes_are_per_channel(net: str) -> None:
    graph = load(net).graph
    shapes = {w.name: list(w.dims) for w in graph.initializer}
    for node in graph.node:
        if node.op_type == "PRelu":
            assert shapes[node.input[1]][1:] == [1, 1]


@pytest.mark.parametrize("net", NETS)
def test_inputs_and_outputs(net: str) -> None:
    graph = load(net).graph
    size = [SIZES[net]] * 2 if net in SIZES else ["h", "w"]
    out = [1, 1] if net in SIZES else ["grid_h", "grid_w"]
    assert [(v.name, dims(v)) for v in graph.input] == [("data", ["n", 3, *size])]
    assert [(v.name, dims(v)) for v in graph.output] == [(o, ["n", CHANNELS[o], *out]) for o in OUTPUTS[net]]


@pytest.mark.parametrize("net", NETS)
def test_provenance(net: str) -> None:
    properties = {p.key: p.value for p in load(net).metadata_props}
    assert properties["weights_sha256"] == WEIGHTS_SHA256
    assert properties["license"] == "MIT"
    assert "mtcnn==0.1.1" in properties["source"]


@pytest.mark.parametrize("net", ["rnet", "onet"])
@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_refinement_output_shapes(net: str, n: int) -> None:
    for name, value in run(net, noise(n, 3, SIZES[net], SIZES[net])).items():
        assert value.shape == (n, CHANNELS[name], 1, 1)
        assert value.dtype == np.float32


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("h, w", [(12, 12), (13, 12), (14, 37), (60, 33), (91, 120)])
def test_pnet_output_shapes(n: int, h: int, w: int) -> None:
    # conv 3x3, pool 2/2 rounded up, conv 3x3, conv 3x3
    grid = tuple((size - 2 + 1) // 2 - 4 for size in (h, w))
    for name, value in run("pnet", noise(n, 3, h, w)).items():
        assert value.shape == (n, CHANNELS[name], *grid)


@pytest.mark.parametrize("net", NETS)
def test_probabilities_sum_to_one(net: str) -> None:
    size = SIZES.get(net, 31)
    probability = run(net, noise(4, 3, size, size))["prob1"]
    assert probability.min() >= 0
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("net", NETS)
def test_batch_rows_are_independent(net: str) -> None:
    size = SIZES.get(net, 20)
    data = noise(5, 3, size, size)
    for name, value in run(net, data).items():
        np.testing.assert_allclose(run(net, data[2:3])[name][0], value[2], atol=1e-5)


@pytest.mark.parametrize("x, y, w, h", [(0, 0, 12, 12), (10, 4, 12, 12), (2, 18, 40, 26), (36, 30, 28, 34)])
def test_pnet_subwindow_equals_part_of_whole(x: int, y: int, w: int, h: int) -> None:
    whole = noise(1, 3, 64, 64)
    assert x % 2 == 0 and y % 2 == 0 and x + w <= 64 and y + h <= 64
    grid_h, grid_w = (h - 12) // 2 + 1, (w - 12) // 2 + 1
    of_whole = run("pnet", whole)
    of_part = run("pnet", np.ascontiguousarray(whole[:, :, y : y + h, x : x + w]))
    for name in OUTPUTS["pnet"]:
        part = of_whole[name][:, :, y // 2 : y // 2 + grid_h, x // 2 : x // 2 + grid_w]
        np.testing.assert_allclose(of_part[name], part, atol=1e-5)


@pytest.mark.parametrize("h, w", [(13, 15), (31, 20), (44, 57)])
def test_pnet_cells_of_an_odd_size_read_only_their_window(h: int, w: int) -> None:
    # The pool's rounding up adds cells past the last whole window; the others must not see it.
    data = noise(1, 3, h, w)
    grid_h, grid_w = (h - 12) // 2 + 1, (w - 12) // 2 + 1
    whole = run("pnet", data)
    even = run("pnet", np.ascontiguousarray(data[:, :, : h // 2 * 2, : w // 2 * 2]))
    for name in OUTPUTS["pnet"]:
        np.testing.assert_allclose(whole[name][:, :, :grid_h, :grid_w], even[name], atol=1e-5)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel the weights come from: $MTCNN_WHEEL, or downloaded with pip."""
    return download("mtcnn==0.1.1", tmp_path_factory.mktemp("wheel"), "MTCNN_WHEEL")


def check_models(wheel: Path, folder: Path) -> int:
    script = REPOSITORY / "tools" / "make_models.py"
    command = [sys.executable, str(script), "--check", "--wheel", str(wheel), "--output", str(folder)]
    return subprocess.run(command, capture_output=True).returncode


def test_models_are_what_the_script_makes(wheel: Path) -> None:
    assert check_models(wheel, MODELS) == 0


def test_check_reports_a_changed_model(wheel: Path, tmp_path: Path) -> None:
    for net in NETS:
        content = bytearray((MODELS / f"{net}.onnx").read_bytes())
        content[len(content) // 2] ^= net == "onet"
        (tmp_path / f"{net}.onnx").write_bytes(content)
    assert check_models(wheel, tmp_path) == 1


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "mtcnn-0.1.1-py3-none-any.whl"
    other.write_bytes(b"not the wheel")
    assert check_models(other, MODELS) == 2
