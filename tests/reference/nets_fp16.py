"""The networks in float16 as a GPU's tensor cores have it: values and weights are the sums of two float16; sums of
products, biases, slopes, and the heads of crops are float32. From their ONNX files."""

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
    is_pnet = sum(node.op_type == "Conv" for node in graph.node) == 5
    values: dict[str, Array] = {graph.input[0].name: _two_halves(data)}
    activations = [node for node in graph.node if node.op_type == "PRelu"]
    activated = {node.input[0] for node in activations}
    exact = set() if is_pnet else {activations[-1].output[0]}  # what the heads of crops read
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        inputs = [values[name] if name in values else weights[name] for name in node.input]
        value = _NODES[node.op_type](inputs, attributes, is_pnet or node.output[0] in activated)
        # A sum is rounded once PReLU is done, and not at all in the heads.
        is_rounded = node.op_type in ("PRelu", "MaxPool") and node.output[0] not in exact
        values[node.output[0]] = _two_halves(value) if is_rounded else value
    return {output.name: values[output.name] for output in graph.output}


def _half(values: Array) -> Array:
    return values.astype(np.float16).astype(np.float32)


def _two_halves(values: Array) -> Array:
    high = _half(values)
    return high + _half(values - high)


def _conv(inputs: list[Array], attributes: dict[str, Any], is_rounded: bool) -> Array:
    data, weights, bias = inputs
    weights = _two_halves(weights) if is_rounded else weights
    sums = _products(data, weights)
    if is_rounded:  # second halves are not multiplied by each other
        sums -= _products(data - _half(data), weights - _half(weights))
    return np.asarray(sums + bias[:, np.newaxis, np.newaxis], np.float32)


def _products(data: Array, weights: Array) -> Array:
    windows = sliding_window_view(data, weights.shape[2:], (2, 3))
    return np.asarray(np.einsum("nchwyx,ocyx->nohw", windows, weights, optimize=True))


def _pool(inputs: list[Array], attributes: dict[str, Any], is_rounded: bool) -> Array:
    (data,), (kernel, _) = inputs, attributes["kernel_shape"]
    more = [-(-(size - kernel) // 2) * 2 + kernel - size for size in data.shape[2:]]  # rounded up
    padded = np.pad(data, ((0, 0), (0, 0), (0, more[0]), (0, more[1])), constant_values=-np.inf)
    return np.asarray(sliding_window_view(padded, (kernel, kernel), (2, 3))[:, :, ::2, ::2].max((4, 5)))


def _softmax(inputs: list[Array], attributes: dict[str, Any], is_rounded: bool) -> Array:
    e = np.exp(inputs[0] - inputs[0].max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True), np.float32)


_NODES: dict[str, Callable[[list[Array], dict[str, Any], bool], Array]] = {
    "Conv": _conv,
    "MaxPool": _pool,
    "Softmax": _softmax,
    "PRelu": lambda inputs, attributes, is_rounded: np.where(inputs[0] > 0, inputs[0], inputs[0] * inputs[1]),
}
