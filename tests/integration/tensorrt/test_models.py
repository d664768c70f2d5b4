"""ONNX models that TensorRT cannot use, in its own words."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mtcnn import EngineError, create_engines
from mtcnn.engines import (
    models_folder,
)
from mtcnn.engines.settings import BuildSettings
from mtcnn.engines.tensorrt import build_tensorrt, tensorrt
from tests.support.tensorrt import RTX, files, model_bytes, needs_rtx

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx")


def a_model(nodes: Sequence[Any], inputs: Sequence[str], shape: Sequence[Any] = ("n", 3, 24, 24)) -> bytes:
    """An ONNX model; shapes of outputs are left open."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ins = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    out = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph(nodes, "made up", ins, [out])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString())


def node(kind: str, *inputs: str, **attributes: int) -> Any:
    return onnx.helper.make_node(kind, list(inputs), ["y"], name=f"a_{kind}", **attributes)


@needs_rtx
class TestModels:
    @pytest.mark.parametrize(
        ("model", "message"),
        [
            (b"no model at all " * 50, "Failed to parse the ONNX model"),
            (model_bytes("rnet")[:5000], "Failed to parse the ONNX model"),
            (model_bytes("rnet")[:-1], "Failed to parse the ONNX model"),
            (a_model([node("Frobnicate", "x")], ["x"]), r"a_Frobnicate \(Frobnicate\).*Plugin not found"),
            (a_model([node("Add", "x", "z")], ["x", "z"]), "one input of four dimensions"),
            (a_model([node("Relu", "x")], ["x"], ["n", 3, 24]), "one input of four dimensions"),
            (a_model([node("Cast", "x", to=10)], ["x"]), '"y" is not float32'),
            (b"", "one input of four dimensions"),
        ],
        ids=["garbage", "half", "a byte short", "unknown op", "two inputs", "three dimensions", "float16", "empty"],
    )
    def test_broken_ones_in_the_parsers_words(self, model: bytes, message: str, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=message):
            tensorrt(RTX).build(model, [BuildSettings().profile("rnet")])
        if importlib.util.find_spec("tensorrt_rtx_bindings"):
            with pytest.raises(EngineError, match=message.replace(r"a_Frobnicate \(Frobnicate\).*", "")):
                build_tensorrt(RTX, "rnet", model, BuildSettings(targets=(86,)))
        shutil.copytree(models_folder(), tmp_path / "models")
        (tmp_path / "models" / "rnet.onnx").write_bytes(model)
        with pytest.raises(EngineError, match=f"{message}|rnet.onnx is no ONNX model, or damaged"):
            create_engines(tmp_path / "engines", tmp_path / "models", flavour=RTX)  # whose own reader comes first
        assert files(tmp_path / "engines") == {}  # P-Net, which was well, is not left behind alone

    def test_broken_ones_in_float16(self, tmp_path: Path) -> None:
        shutil.copytree(models_folder(), tmp_path / "models")
        for model in (b"no model at all", model_bytes("rnet")[:5000], a_model([node("Frobnicate", "x")], ["x"])):
            (tmp_path / "models" / "rnet.onnx").write_bytes(model)
            with pytest.raises(EngineError, match="ONNX"):
                create_engines(tmp_path / "engines", tmp_path / "models", "fp16", flavour=RTX)

    def test_missing_one(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"there is no model .*pnet\.onnx: check the folder of models"):
            create_engines(tmp_path / "engines", tmp_path, flavour=RTX)

    @pytest.mark.parametrize(("name", "content"), [("rnet", "pnet"), ("pnet", "onet"), ("onet", "rnet")])
    def test_one_network_under_anothers_name(self, name: str, content: str, tmp_path: Path) -> None:
        shutil.copytree(models_folder(), tmp_path / "models")
        shutil.copy(models_folder() / f"{content}.onnx", tmp_path / "models" / f"{name}.onnx")
        with pytest.raises(EngineError, match=f"{name}.onnx .*it is not a {name}"):
            create_engines(tmp_path / "engines", tmp_path / "models", flavour=RTX)
