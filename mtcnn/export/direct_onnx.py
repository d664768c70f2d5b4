"""ONNX models written straight from weights, without the package onnx and without TensorFlow.

The nodes and names are those of the models that come with the package. Numbers of fields are those of onnx.proto; the
wire format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mtcnn.engines.networks import ALL_ARCHITECTURES, OUTPUTS, Architecture, Layer
from mtcnn.export.network_weights import LayerWeights, NetworkWeights
from mtcnn.export.numpy_arrays import FLOAT32, Array

__all__ = ["write_onnx"]

Attributes = dict[str, int | list[int]]

_IR_VERSION, _OPSET = 8, 13
_VARINT, _BYTES = 0, 2  # wire types
_FLOAT = 1  # TensorProto.DataType
_INT, _INTS = 2, 7  # AttributeProto.AttributeType


def write_onnx(weights: NetworkWeights, metadata: dict[str, str]) -> bytes:
    """A network's ONNX file: `data` (n, c, h, w) in, its outputs (n, channels, h', w').

    Args:
        metadata: what the model says of itself.
    """
    network = ALL_ARCHITECTURES[weights.network]
    graph = _Graph()
    x = "data"
    for layer in network.layers:
        x = graph.conv(x, layer, weights.layers[layer.name])
        slope = weights.layers[layer.name].slope
        assert slope is not None
        slopes = graph.array(f"{layer.activation}.slope", slope.reshape(-1, 1, 1))
        x = graph.node("PRelu", [x, slopes], layer.activation)
        if layer.pool:
            window: Attributes = {"kernel_shape": [layer.pool] * 2, "strides": [2, 2], "ceil_mode": int(layer.ceil)}
            x = graph.node("MaxPool", [x], layer.name.replace("conv", "pool"), window)
    for output, name in network.heads.items():
        head = Layer(name, 1, network.features, OUTPUTS[output])
        if output == "prob1":
            graph.node("Softmax", [graph.conv(x, head, weights.layers[name])], output, {"axis": 1})
        else:
            graph.conv(x, head, weights.layers[name], output)
    return b"".join(
        [
            _whole(1, _IR_VERSION),
            _text(2, "trt-mtcnn"),
            _message(7, graph.bytes(network)),
            _message(8, _text(1, "") + _whole(2, _OPSET)),
            *(_message(14, _text(1, key) + _text(2, value)) for key, value in metadata.items()),
        ]
    )


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.arrays: list[bytes] = []

    def array(self, name: str, values: Array) -> str:
        dims = b"".join(_whole(1, side) for side in values.shape)
        data = np.ascontiguousarray(values, FLOAT32).tobytes()
        self.arrays.append(dims + _whole(2, _FLOAT) + _text(8, name) + _message(9, data))
        return name

    def node(self, op: str, inputs: list[str], output: str, attributes: Attributes | None = None) -> str:
        parts = [_text(1, name) for name in inputs]
        parts += [_text(2, output), _text(3, output), _text(4, op)]
        for name, value in (attributes or {}).items():
            if isinstance(value, list):
                said = b"".join(_whole(8, one) for one in value) + _whole(20, _INTS)
            else:
                said = _whole(3, value) + _whole(20, _INT)
            parts.append(_message(5, _text(1, name) + said))
        self.nodes.append(b"".join(parts))
        return output

    def conv(self, x: str, layer: Layer, weights: LayerWeights, output: str | None = None) -> str:
        kernel = self.array(f"{layer.name}.weight", weights.kernel.transpose(3, 2, 0, 1))
        bias = self.array(f"{layer.name}.bias", weights.bias)
        attributes: Attributes = {"kernel_shape": [layer.kernel] * 2}
        if layer.groups > 1:
            attributes["group"] = layer.groups
        return self.node("Conv", [x, kernel, bias], output or layer.name, attributes)

    def bytes(self, network: Architecture) -> bytes:
        size: list[int | str] = ["h", "w"] if network.side is None else [network.side] * 2
        grid: list[int | str] = ["grid_h", "grid_w"] if network.side is None else [1, 1]
        return b"".join(
            [
                *(_message(1, node) for node in self.nodes),
                _text(2, network.name),
                *(_message(5, array) for array in self.arrays),
                _message(11, _value("data", ["n", network.channels, *size])),
                *(_message(12, _value(name, ["n", channels, *grid])) for name, channels in network.outputs.items()),
            ]
        )


def _value(name: str, dims: Iterable[int | str]) -> bytes:
    """A ValueInfoProto of float32."""
    shape = b"".join(_message(1, _whole(1, d) if isinstance(d, int) else _text(2, d)) for d in dims)
    return _text(1, name) + _message(2, _message(1, _whole(1, _FLOAT) + _message(2, shape)))


def _whole(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
