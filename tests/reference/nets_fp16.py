"""The networks in float16 as a GPU's tensor cores have it: values and weights are float16, sums, biases, slopes, and
the heads of crops float32. From their ONNX files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import numpy_helper

Array = NDArray[np.float32]


def run(model: bytes, data: Array) -> dict[str, Array]:
    """The outputs of P-, R- or O-Net for (n, 3, height, width)."""
    graph = onnx.load_from_string(model).graph
    weights = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in graph.initializer}
    values: dict[str, Array] = {graph.input[0].name: _half(data)}
    is_pnet = sum(node.op_type == "Conv" for node in graph.node) == 5
    activated = {node.input[0] for node in graph.node if node.op_type == "PRelu"}
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        inputs = [values[name] if name in values else weights[name] for name in node.input]
        value = _NODES[node.op_type](inputs, attributes, is_pnet or node.output[0] in activated)
        # A sum is rounded once PReLU is done, and not at all in the heads.
        values[node.output[0]] = _half(value) if node.op_type in ("PRelu", "MaxPool") else value
    return {output.name: values[output.name] for output in graph.output}


def _half(values: Array) -> Array:
    return values.astype(np.float16).astype(np.float32)


def _conv(inputs: list[Array], attributes: dict[str, Any], half: bool) -> Array:
    data, weights, bias = inputs
    weights = _half(weights) if half else weights
    windows = sliding_window_view(data, weights.shape[2:], (2, 3))
    sums = np.einsum("nchwyx,ocyx->nohw", windows, weights, optimize=True)
    return np.asarray(sums + bias[:, np.newaxis, np.newaxis], np.float32)


def _pool(inputs: list[Array], attributes: dict[str, Any], half: bool) -> Array:
    (data,), (kernel, _) = inputs, attributes["kernel_shape"]
    more = [-(-(size - kernel) // 2) * 2 + kernel - size for size in data.shape[2:]]  # rounded up
    padded = np.pad(data, ((0, 0), (0, 0), (0, more[0]), (0, more[1])), constant_values=-np.inf)
    return np.asarray(sliding_window_view(padded, (kernel, kernel), (2, 3))[:, :, ::2, ::2].max((4, 5)))


def _softmax(inputs: list[Array], attributes: dict[str, Any], half: bool) -> Array:
    e = np.exp(inputs[0] - inputs[0].max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True), np.float32)


_NODES: dict[str, Callable[[list[Array], dict[str, Any], bool], Array]] = {
    "Conv": _conv,
    "MaxPool": _pool,
    "Softmax": _softmax,
    "PRelu": lambda inputs, attributes, half: np.where(inputs[0] > 0, inputs[0], inputs[0] * inputs[1]),
}
