"""float32 ONNX models to float16, for TensorRT."""

from __future__ import annotations

import warnings
from typing import Any

from mtcnn.errors import EngineError, MtcnnError
from mtcnn.runtime.install import install_command

__all__ = ["to_float16"]


def to_float16(model: bytes) -> bytes:
    """The model with float16 weights and arithmetic, float32 in and out.

    The first layer, the last ones and the softmax stay float32: there it costs next to no time, and keeps scores
    within 5e-3, which P-Net's first layer alone would exceed in float16.

    Raises:
        EngineError: the bytes are no ONNX model.
        MtcnnError: the converter is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
        from onnxconverter_common.float16 import convert_float_to_float16
    except ImportError as error:
        raise MtcnnError(f"float16 needs {error.name}: {install_command('fp16')}") from error
    try:
        graph = onnx.load_from_string(model)
        onnx.checker.check_model(graph)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise EngineError(f"not an ONNX model: {error}") from error
    for i, node in enumerate(graph.graph.node):
        node.name = node.name or f"node_{i}"  # the converter knows nodes by their names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights below 1e-7 become 1e-7
        kept = [*_first_layers(graph), *_heads(graph)]
        half = convert_float_to_float16(graph, keep_io_types=True, node_block_list=kept)
    _restore_outputs(half.graph, onnx.TensorProto.FLOAT)
    return bytes(half.SerializeToString())


def _first_layers(graph: Any) -> list[str]:
    """The names of the nodes that read the input."""
    inputs = {value.name for value in graph.graph.input}
    return [node.name for node in graph.graph.node if inputs & set(node.input)]


def _heads(graph: Any) -> list[str]:
    """The names of the nodes that make the outputs: a softmax and what feeds it, and the other last layers."""
    maker = {output: node for node in graph.graph.node for output in node.output}
    heads = []
    for output in graph.graph.output:
        node = maker.get(output.name)
        while node is not None:
            heads.append(node.name)
            node = maker.get(node.input[0]) if node.op_type == "Softmax" else None
    return heads


def _restore_outputs(graph: Any, float32: int) -> None:
    """Undoes the casts to float16 that the converter puts behind layers that stay float32, outputs included."""
    maker = {output: node for node in graph.node for output in node.output}
    for output in graph.output:
        cast = maker[output.name]
        if cast.op_type != "Cast" or output.type.tensor_type.elem_type == float32:
            continue
        layer = maker[cast.input[0]]
        graph.node.remove(cast)
        layer.output[list(layer.output).index(cast.input[0])] = output.name
        output.type.tensor_type.elem_type = float32
