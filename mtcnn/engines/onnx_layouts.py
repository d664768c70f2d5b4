"""ONNX models for callers with other layouts: tensorrt_demos, whose crops have x first; Keras, channels last."""

from __future__ import annotations

from typing import Any

from mtcnn.errors import EngineError
from mtcnn.runtime.optional import import_optional

__all__ = ["INPUT_NAMES", "LAYOUTS", "PORT_NAMES", "to_channels_last", "transpose_input"]

LAYOUTS = ("nchw", "nhwc")
INPUT_NAMES = {"nchw": "data", "nhwc": "input_1"}
# What tensorrt_demos calls the engine files.
PORT_NAMES = {"pnet": "det1", "rnet": "det2", "onet": "det3"}


def transpose_input(model: bytes) -> bytes:
    """The ONNX model with the two spatial axes of its input swapped first: (n, c, x, y) in.

    Raises:
        EngineError: the bytes are no ONNX model with one input.
        MtcnnError: the package onnx is not installed.
    """
    onnx, graph = _parse(model, "models")
    name = graph.graph.input[0].name
    upright = f"{name}_upright"
    for node in graph.graph.node:
        for i, tensor in enumerate(node.input):
            if tensor == name:
                node.input[i] = upright
    swap = onnx.helper.make_node("Transpose", [name], [upright], name="upright", perm=[0, 1, 3, 2])
    graph.graph.node.insert(0, swap)
    return bytes(graph.SerializeToString())


def to_channels_last(model: bytes) -> bytes:
    """An ONNX model of ours with a Transpose at either end: P-Net's maps (n, h, w, channels), else (n, channels).

    Raises:
        EngineError: the bytes are no ONNX model with one input.
        MtcnnError: the package onnx is not installed.
    """
    onnx, whole = _parse(model, "triton")
    graph, make = whole.graph, onnx.helper
    (before,) = graph.input
    inside = before.name
    batch, channels, height, width = (dim.dim_param or dim.dim_value for dim in before.type.tensor_type.shape.dim)
    name = INPUT_NAMES["nhwc"]
    graph.input.pop()
    graph.input.append(make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, height, width, channels]))
    graph.node.insert(0, make.make_node("Transpose", [name], [inside], name="to_nchw", perm=[0, 3, 1, 2]))
    outputs = list(graph.output)
    del graph.output[:]
    for output in outputs:
        _rename(graph.node, output.name, f"{output.name}_nchw")
        batch, channels, height, width = (dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim)
        if height == width == 1:
            node = make.make_node("Flatten", [f"{output.name}_nchw"], [output.name], name=f"{output.name}_flat", axis=1)
            shape = [batch, channels]
        else:
            node = make.make_node(
                "Transpose", [f"{output.name}_nchw"], [output.name], name=f"{output.name}_to_nhwc", perm=[0, 2, 3, 1]
            )
            shape = [batch, height, width, channels]
        graph.node.append(node)
        graph.output.append(make.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, shape))
    onnx.checker.check_model(whole)
    return bytes(whole.SerializeToString())


def _rename(nodes: object, old: str, new: str) -> None:
    for node in nodes:  # type: ignore[attr-defined]
        for names in (node.input, node.output):
            for i, tensor in enumerate(names):
                if tensor == old:
                    names[i] = new


def _parse(model: bytes, extra: str) -> tuple[Any, Any]:
    """The package onnx, and the model that the bytes hold, checked."""
    onnx = import_optional("onnx", extra)
    from google.protobuf.message import DecodeError

    try:
        whole = onnx.load_from_string(model)
        onnx.checker.check_model(whole)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise EngineError(f"not an ONNX model: {error}") from error
    return onnx, whole
