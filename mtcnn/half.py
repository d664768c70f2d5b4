"""float32 ONNX models to float16, for TensorRT."""

from __future__ import annotations

import warnings

from mtcnn.errors import EngineError, MtcnnError

__all__ = ["to_float16"]


def to_float16(model: bytes) -> bytes:
    """The model with float16 weights and arithmetic, float32 in and out.

    The heads and the softmax stay float32: there it costs no time, and keeps scores within 5e-3.

    Raises:
        EngineError: the bytes are no ONNX model.
        MtcnnError: the converter is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
        from onnxconverter_common.float16 import convert_float_to_float16
    except ImportError as error:
        raise MtcnnError(f"float16 needs {error.name}: pip install 'trt-mtcnn[fp16]'") from error
    try:
        graph = onnx.load_from_string(model)
        onnx.checker.check_model(graph)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise EngineError(f"not an ONNX model: {error}") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights below 1e-7 become 1e-7
        half = convert_float_to_float16(graph, keep_io_types=True, node_block_list=_heads(graph))
    return bytes(half.SerializeToString())


def _heads(graph: object) -> list[str]:
    """The names of the nodes that make the outputs: a softmax and what feeds it, and the other last layers."""
    nodes = graph.graph.node  # type: ignore[attr-defined]
    for i, node in enumerate(nodes):
        node.name = node.name or f"node_{i}"  # the converter knows nodes by their names
    maker = {output: node for node in nodes for output in node.output}
    heads = []
    for output in graph.graph.output:  # type: ignore[attr-defined]
        node = maker.get(output.name)
        while node is not None:
            heads.append(node.name)
            node = maker.get(node.input[0]) if node.op_type == "Softmax" else None
    return heads
