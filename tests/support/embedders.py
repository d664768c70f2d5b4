"""Small ONNX networks that stand in for face embedders: what each computes is plain to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SIDE = 112
CELL = 16
LENGTH = 3 * (SIDE // CELL) ** 2


def make_embedder(
    path: Path,
    *,
    layout: str = "nchw",
    side: int | str = SIDE,
    batch: int | str = "n",
    output_rank: int = 2,
    first: tuple[float, float] | None = None,
    metadata: dict[str, str] | None = None,
    extra_output: bool = False,
) -> Path:
    """Write a network whose output is its input averaged over cells of 16 x 16, channel by channel.

    first: (mean, scale) that it applies itself, as its first two nodes.
    """
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    shape = [batch, 3, side, side] if layout == "nchw" else [batch, side, side, 3]
    nodes, constants, name = [], [], "picture"
    if first is not None:
        for kind, value in zip(("Sub", "Mul"), first):
            constants.append(helper.make_tensor(kind, TensorProto.FLOAT, [], [value]))
            nodes.append(helper.make_node(kind, [name, kind], [f"{name}_{kind}"]))
            name = f"{name}_{kind}"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [name], ["upright"], perm=[0, 3, 1, 2]))
        name = "upright"
    nodes.append(helper.make_node("AveragePool", [name], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]))
    nodes.append(helper.make_node("Flatten", ["cells"], ["flat"]))
    result = "flat"
    if output_rank == 4:
        constants.append(helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]))
        nodes.append(helper.make_node("Unsqueeze", ["flat", "axes"], ["spread"]))
        result = "spread"
    elif output_rank == 3:
        constants.append(helper.make_tensor("axes", TensorProto.INT64, [1], [2]))
        nodes.append(helper.make_node("Unsqueeze", ["flat", "axes"], ["spread"]))
        result = "spread"
    outputs = [helper.make_tensor_value_info(result, TensorProto.FLOAT, [None] * output_rank)]
    if extra_output:
        nodes.append(helper.make_node("Relu", ["flat"], ["other"]))
        outputs.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [None, None]))
    graph = helper.make_graph(
        nodes, "embedder", [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)], outputs, constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def expected(crops: np.ndarray, mean: float = 127.5, scale: float = 1 / 127.5, bgr: bool = False) -> np.ndarray:
    """What the network makes of BGR crops (n, 112, 112, 3), each vector scaled to length 1."""
    channels = crops if bgr else crops[:, :, :, ::-1]
    pixels = (channels.astype(np.float64) - mean) * scale
    n = len(crops)
    cells = pixels.reshape(n, SIDE // CELL, CELL, SIDE // CELL, CELL, 3).mean(axis=(2, 4))
    vectors = cells.transpose(0, 3, 1, 2).reshape(n, -1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
