"""float16 models beside the originals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import TrtMtcnn
from mtcnn.engines import (
    NETWORKS,
)
from mtcnn.engines.onnx_float16 import to_float16
from tests.support.tensorrt import SIDES, model_bytes

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")


class TestFloat16:
    """The converted models beside the originals, both run by ONNX Runtime."""

    def difference(self, network: str, pictures: NDArray[np.float32]) -> dict[str, float]:
        model = model_bytes(network)
        outputs = []
        for version in (model, to_float16(model)):
            session = ort.InferenceSession(version, providers=["CPUExecutionProvider"])
            outputs.append(dict(zip((o.name for o in session.get_outputs()), session.run(None, {"data": pictures}))))
        return {name: float(np.abs(outputs[0][name] - outputs[1][name]).max()) for name in outputs[0]}

    def windows(self, face: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int32]:
        """The face shifted and scaled, and squares from all over the picture."""
        centre, side = (face[:2] + face[2:]) / 2, float(face[3] - face[1])
        n = 64
        centres = np.concatenate([centre + rng.normal(0, side / 6, (n, 2)), rng.uniform(0, 512, (n, 2))])
        halves = np.concatenate([side * rng.uniform(0.35, 0.8, n), rng.uniform(6, 120, n)])[:, None]
        return np.concatenate([centres - halves, centres + halves], axis=1).round().astype(np.int32)

    @pytest.mark.parametrize("network", ["rnet", "onet"])
    def test_crops_of_a_photo(self, network: str, astronaut: NDArray[np.uint8], detector: TrtMtcnn) -> None:
        face = detector.detect(astronaut)[0][0, :4]
        windows = self.windows(face, np.random.default_rng(0))
        crops = pytrt.crop_resize(astronaut, windows, SIDES[network])
        apart = self.difference(network, crops)
        assert apart["prob1"] < 5e-3
        assert apart["boxes"] < 1e-2  # of the box's side
        assert apart.get("landmarks", 0) < 1e-2

    def test_photo(self, astronaut: NDArray[np.uint8]) -> None:
        for side in (60, 154, 400, 512):
            apart = self.difference("pnet", pytrt.resize(astronaut, side, side)[np.newaxis])
            assert apart["prob1"] < 5e-3
            assert apart["boxes"] < 1e-2

    @pytest.mark.parametrize("network", NETWORKS)
    def test_random_pictures(self, network: str) -> None:
        side = SIDES.get(network, 96)
        rng = np.random.default_rng(1)
        pictures = (rng.integers(0, 256, (32, 3, side, side)) - 127.5) / 128
        apart = self.difference(network, pictures.astype(np.float32))
        assert apart["prob1"] < 5e-3
        assert apart["boxes"] < 1e-2

    @pytest.mark.parametrize("network", NETWORKS)
    def test_what_is_converted(self, network: str) -> None:
        half = onnx.load_from_string(to_float16(model_bytes(network)))
        onnx.checker.check_model(half, full_check=True)
        float32, float16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
        kinds = {i.name: i.data_type for i in half.graph.initializer}
        layers = [n for n in half.graph.node if n.op_type in ("Conv", "Gemm", "MatMul")]
        outputs = {o.name for o in half.graph.output}
        softmaxes = {n.input[0] for n in half.graph.node if n.op_type == "Softmax"}
        heads = {n.name for n in layers if (outputs | softmaxes) & set(n.output)}
        assert len(heads) == len(outputs)
        kept = heads | {layers[0].name}
        assert {n.name: kinds[n.input[1]] for n in layers} == {
            n.name: float32 if n.name in kept else float16 for n in layers
        }
        for value in (*half.graph.input, *half.graph.output):
            assert value.type.tensor_type.elem_type == float32
        session = ort.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"])
        side = SIDES.get(network, 30)
        for output in session.run(None, {"data": np.zeros((1, 3, side, side), np.float32)}):
            assert output.dtype == np.float32

    def test_unnamed_nodes(self) -> None:
        """The converter knows nodes by their names; a model without any is converted all the same."""
        model = onnx.load_from_string(model_bytes("rnet"))
        for n in model.graph.node:
            n.name = ""
        halves = [to_float16(bytes(m)) for m in (model_bytes("rnet"), model.SerializeToString())]
        kinds = [[i.data_type for i in onnx.load_from_string(half).graph.initializer] for half in halves]
        assert kinds[0] == kinds[1]
        assert onnx.TensorProto.FLOAT16 in kinds[0]
