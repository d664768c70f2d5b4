"""What a network gives that is no number is never a face, whatever runs it: its weights may overflow."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import pytrt
from mtcnn.engines import NETWORKS
from mtcnn.engines.libraries import openvino_library
from pytrt.testing import EmulatedGpu

OUTPUTS = {"prob1": 2, "boxes": 4, "landmarks": 10}
SIDES = {"pnet": None, "rnet": 24, "onet": 48}
USUAL = {"prob1": [0.1, 0.9], "boxes": [0.0] * 4, "landmarks": [0.3, 0.7, 0.5, 0.3, 0.7, 0.3, 0.3, 0.5, 0.7, 0.7]}
IMG = np.full((60, 80, 3), 128, np.uint8)


def constant_network(name: str, broken: str | None = None, value: float = 0.0) -> bytes:
    """Gives the same for all pictures: a face in all of it; of one output every number is `value`."""
    side = SIDES[name]
    sides = [side or "h", side or "w"]
    nodes, weights, infos = [], [], []
    for output in ("prob1", "boxes", "landmarks") if name == "onet" else ("prob1", "boxes"):
        channels = OUTPUTS[output]
        bias = np.float32(USUAL[output] if output != broken else [value] * channels)
        kernel = np.zeros((channels, 3, side or 12, side or 12), np.float32)
        weights += [
            onnx.numpy_helper.from_array(kernel, f"{output}.w"),
            onnx.numpy_helper.from_array(bias, output + ".b"),
        ]
        nodes.append(helper.make_node("Conv", ["data", f"{output}.w", f"{output}.b"], [output], strides=[2, 2]))
        infos.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", channels, None, None]))
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, *sides])
    graph = helper.make_graph(nodes, name, [data], infos, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


@lru_cache(maxsize=2)
def device(kind: str) -> pytrt.Device:
    return EmulatedGpu(openvino_library(), 1) if kind == "gpu" else pytrt.CpuDevice(openvino_library(), 1)


@lru_cache(maxsize=8)
def usual_engine(kind: str, name: str) -> pytrt.Engine:
    return device(kind).load_engine(constant_network(name))


def detect(kind: str, broken: str = "", output: str | None = None, value: float = 0.0) -> tuple[int, int, np.ndarray]:
    """How many boxes P-Net and R-Net leave, and the faces."""
    engines = {name: usual_engine(kind, name) for name in NETWORKS}
    if broken:
        engines[broken] = device(kind).load_engine(constant_network(broken, output, value))
    stages = pytrt.Stages(device(kind), *engines.values())
    stages.load([IMG], [IMG.shape[:2]])
    proposed = stages.pnet([(0, 60, 80, 1.0, 1.0)], 0.0, 0.5, 0.7, 1000)
    refined = stages.rnet(0.0, 0.7, 1000)
    stages.onet(0.0, 0.7, average_above=0.6)
    dets, landmarks, _ = stages.boxes()
    assert np.isfinite(dets).all() and np.isfinite(landmarks).all()
    return proposed, refined, dets


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
class TestOutputs:
    def test_that_are_numbers_are_faces(self, kind: str) -> None:
        proposed, refined, dets = detect(kind)
        assert proposed > 0 and refined > 0 and len(dets) > 0

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
    @pytest.mark.parametrize(
        ("name", "output"),
        [(name, output) for name in NETWORKS for output in OUTPUTS if name == "onet" or output != "landmarks"],
    )
    def test_that_are_none_are_no_faces(self, name: str, output: str, value: float, kind: str) -> None:
        proposed, refined, dets = detect(kind, name, output, value)
        assert len(dets) == 0
        assert proposed == 0 or name != "pnet"
        assert refined == 0 or name == "onet"
