#!/usr/bin/env python3
"""Write mtcnn/models/{pnet,rnet,onet}.onnx from the original MTCNN weights.

    python tools/make_models.py            download mtcnn 0.1.1 (MIT) with pip, write the three models
    python tools/make_models.py --check    compare with the models that are there; exit with 1 if one differs

The weights are Kaipeng Zhang's (MIT): K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment
using Multi-task Cascaded Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016
(arXiv:1604.02878). Needs numpy and onnx.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that this checkout's reader is used, whatever is installed

from mtcnn.engines.networks import ARCHITECTURES, OUTPUTS, Architecture, Layer  # noqa: E402
from mtcnn.errors import MtcnnError  # noqa: E402
from mtcnn.export.network_weights import LayerWeights, NetworkWeights  # noqa: E402
from mtcnn.export.numpy_arrays import Array  # noqa: E402
from mtcnn.export.weights import read_content  # noqa: E402

MODELS = ROOT / "mtcnn" / "models"
OPSET, IR_VERSION = 13, 8

WHEEL_REQUIREMENT = "mtcnn==0.1.1"
WHEEL_SHA256 = "fd69d2f4dd10647dd7481a53b9586e805f35a17c61ac78ba472a7f53766eb86e"
WEIGHTS_MEMBER = "mtcnn/data/mtcnn_weights.npy"
WEIGHTS_SHA256 = "9e04e975abf93c7173e956df4b496d6da269e08b9e87f2daec963ee1176576b0"

METADATA = {
    "source": "https://github.com/kpzhang93/MTCNN_face_detection_alignment (weights), "
    "taken from the PyPI wheel " + WHEEL_REQUIREMENT,
    "paper": "arXiv:1604.02878",
    "license": "MIT",
    "weights_sha256": WEIGHTS_SHA256,
    "wheel_sha256": WHEEL_SHA256,
    "input": "RGB, (x - 127.5) * 0.0078125, NCHW, upright",
}


@dataclass
class Graph:
    """Collects nodes and weights."""

    layers: Mapping[str, LayerWeights]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def add_weight(self, name: str, value: Array) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value, "<f4"), name))
        return name

    def add_node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x: str, name: str, output: str | None = None) -> str:
        kernel = self.layers[name].kernel.transpose(3, 2, 0, 1)
        weight = self.add_weight(f"{name}.weight", kernel)
        bias = self.add_weight(f"{name}.bias", self.layers[name].bias)
        return self.add_node("Conv", [x, weight, bias], output or name, kernel_shape=list(kernel.shape[2:]))

    def conv_prelu(self, x: str, layer: Layer) -> str:
        x = self.conv(x, layer.name)
        slope = self.layers[layer.name].slope
        assert slope is not None
        return self.add_node(
            "PRelu", [x, self.add_weight(f"{layer.activation}.slope", slope.reshape(-1, 1, 1))], layer.activation
        )

    def pool(self, x: str, name: str, size: int, ceil: bool) -> str:
        window = {"kernel_shape": [size, size], "strides": [2, 2]}
        return self.add_node("MaxPool", [x], name, **window, ceil_mode=int(ceil))

    def heads(self, x: str, names: Mapping[str, str]) -> None:
        """1x1 heads; `names` maps each output to its layer. `prob1` is the softmax of its layer."""
        for output, name in names.items():
            if output == "prob1":
                logits = self.conv(x, name)
                self.add_node("Softmax", [logits], output, axis=1)
            else:
                self.conv(x, name, output)

    def model(self, network: Architecture) -> onnx.ModelProto:
        size, out = (("h", "w"), ("grid_h", "grid_w")) if network.side is None else ((network.side,) * 2, (1, 1))
        graph = helper.make_graph(
            self.nodes,
            network.name,
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, *size])],
            [
                helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", OUTPUTS[output], *out])
                for output in network.heads
            ],
            self.weights,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="trt-mtcnn",
        )
        helper.set_model_props(model, METADATA)
        onnx.checker.check_model(model, full_check=True)
        return model


def make_model(weights: NetworkWeights) -> onnx.ModelProto:
    network = ARCHITECTURES[weights.network]
    g = Graph(weights.layers)
    x = "data"
    for layer in network.layers:
        x = g.conv_prelu(x, layer)
        if layer.pool:
            x = g.pool(x, layer.name.replace("conv", "pool"), layer.pool, layer.ceil)
    g.heads(x, network.heads)
    return g.model(network)


def make_models(wheel: Path) -> dict[str, bytes]:
    """The three models' files, by name, made from the wheel `mtcnn` 0.1.1; the same bytes each time."""
    content = wheel.read_bytes()
    _require_sha256(str(wheel), content, WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        weights = archive.read(WEIGHTS_MEMBER)
    _require_sha256(WEIGHTS_MEMBER, weights, WEIGHTS_SHA256)
    models = {f"{w.network}.onnx": make_model(w) for w in read_content(weights, WEIGHTS_MEMBER)}
    return {name: model.SerializeToString(deterministic=True) for name, model in models.items()}


def _require_sha256(what: str, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ValueError(f"{what}: SHA-256 is {found}, expected {expected}")


def download_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", str(folder), WHEEL_REQUIREMENT], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def main() -> int:
    parser = argparse.ArgumentParser(description="Write mtcnn/models/*.onnx from the original MTCNN weights.")
    parser.add_argument("--wheel", type=Path, help="the wheel of mtcnn 0.1.1; by default pip downloads it")
    parser.add_argument("--output", type=Path, default=MODELS, help="their folder (default %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a model differs")
    options = parser.parse_args()

    try:
        with tempfile.TemporaryDirectory() as folder:
            made = make_models(options.wheel or download_wheel(Path(folder)))
    except (OSError, ValueError, MtcnnError, subprocess.CalledProcessError) as error:
        parser.exit(2, f"{error}\n")

    differing = 0
    for name, content in made.items():
        path = options.output / name
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"{path}: {len(content):,} bytes")
        elif not path.is_file() or path.read_bytes() != content:
            differing += 1
            print(f"{path}: differs from what this script makes", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
