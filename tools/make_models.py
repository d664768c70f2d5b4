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
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from read_weights import WEIGHTS_SHA256, WHEEL_REQUIREMENT, WHEEL_SHA256, Array, read_weights

MODELS = Path(__file__).resolve().parent.parent / "mtcnn" / "models"
OPSET, IR_VERSION = 13, 8
Size = tuple[int | str, int | str]  # (height, width); a string names a dynamic dimension

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
    """Collects nodes and weights; takes the arrays in the order in which Keras stores them."""

    arrays: list[Array]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def take(self, name: str) -> Array:
        if not self.arrays:
            raise ValueError(f"no array left for {name}")
        return self.arrays.pop(0)

    def add_weight(self, name: str, value: Array) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value, "<f4"), name))
        return name

    def add_node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x: str, name: str, size: int, channels_in: int, output: str | None = None) -> str:
        # The originals saw MATLAB images, whose first axis is x: (x, y, in, out) -> (out, in, y, x).
        # A dense layer is a convolution over the whole of its input, which Keras flattens as (x, y, in).
        kernel = self.take(name).reshape(size, size, channels_in, -1).transpose(3, 2, 1, 0)
        weight = self.add_weight(f"{name}.weight", kernel)
        bias = self.add_weight(f"{name}.bias", self.take(name))
        return self.add_node("Conv", [x, weight, bias], output or name, kernel_shape=[size, size])

    def conv_prelu(self, x: str, name: str, size: int, channels_in: int) -> str:
        x = self.conv(x, name, size, channels_in)
        activation = name.replace("conv", "prelu").replace("fc", "prelu")
        slope = self.add_weight(f"{activation}.slope", self.take(activation).reshape(-1, 1, 1))
        return self.add_node("PRelu", [x, slope], activation)

    def pool(self, x: str, name: str, size: int, ceil: bool) -> str:
        window = {"kernel_shape": [size, size], "strides": [2, 2]}
        return self.add_node("MaxPool", [x], name, **window, ceil_mode=int(ceil))

    def heads(self, x: str, names: dict[str, str], channels_in: int) -> None:
        """1x1 heads; `names` maps each output to its layer. `prob1` is the softmax of its layer."""
        for output, name in names.items():
            if output == "prob1":
                logits = self.conv(x, name, 1, channels_in)
                self.add_node("Softmax", [logits], output, axis=1)
            else:
                self.conv(x, name, 1, channels_in, output)

    def model(self, name: str, size: Size, out: Size) -> onnx.ModelProto:
        if self.arrays:
            raise ValueError(f"{name}: {len(self.arrays)} arrays are left over")
        channels = {"prob1": 2, "boxes": 4, "landmarks": 10}
        made = {node.output[0] for node in self.nodes}
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, *size])],
            [
                helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", count, *out])
                for output, count in channels.items()
                if output in made
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


def make_pnet(arrays: list[Array]) -> onnx.ModelProto:
    g = Graph(arrays)
    x = g.conv_prelu("data", "conv1", 3, 3)
    x = g.pool(x, "pool1", 2, ceil=True)
    x = g.conv_prelu(x, "conv2", 3, 10)
    x = g.conv_prelu(x, "conv3", 3, 16)
    g.heads(x, {"prob1": "conv4-1", "boxes": "conv4-2"}, 32)
    return g.model("pnet", ("h", "w"), ("grid_h", "grid_w"))


def make_rnet(arrays: list[Array]) -> onnx.ModelProto:
    g = Graph(arrays)
    x = g.conv_prelu("data", "conv1", 3, 3)
    x = g.pool(x, "pool1", 3, ceil=True)  # 22 -> 11
    x = g.conv_prelu(x, "conv2", 3, 28)
    x = g.pool(x, "pool2", 3, ceil=False)  # 9 -> 4
    x = g.conv_prelu(x, "conv3", 2, 48)
    x = g.conv_prelu(x, "fc4", 3, 64)
    g.heads(x, {"prob1": "fc5-1", "boxes": "fc5-2"}, 128)
    return g.model("rnet", (24, 24), (1, 1))


def make_onet(arrays: list[Array]) -> onnx.ModelProto:
    g = Graph(arrays)
    x = g.conv_prelu("data", "conv1", 3, 3)
    x = g.pool(x, "pool1", 3, ceil=True)  # 46 -> 23
    x = g.conv_prelu(x, "conv2", 3, 32)
    x = g.pool(x, "pool2", 3, ceil=False)  # 21 -> 10
    x = g.conv_prelu(x, "conv3", 3, 64)
    x = g.pool(x, "pool3", 2, ceil=False)  # 8 -> 4
    x = g.conv_prelu(x, "conv4", 2, 64)
    x = g.conv_prelu(x, "fc5", 3, 128)
    g.heads(x, {"prob1": "fc6-1", "boxes": "fc6-2", "landmarks": "fc6-3"}, 256)
    return g.model("onet", (48, 48), (1, 1))


def make_models(wheel: Path) -> dict[str, bytes]:
    """The three models' files, by name, made from the wheel `mtcnn` 0.1.1; the same bytes each time."""
    arrays = read_weights(wheel)
    makers = {"pnet": make_pnet, "rnet": make_rnet, "onet": make_onet}
    models = {f"{name}.onnx": make(arrays[name]) for name, make in makers.items()}
    return {name: model.SerializeToString(deterministic=True) for name, model in models.items()}


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
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
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
