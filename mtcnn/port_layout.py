"""Networks for code written for the well-known TensorRT port, which hands R-Net and O-Net crops with x first."""

from __future__ import annotations

from mtcnn.errors import EngineError, MtcnnError

__all__ = ["PORT_NAMES", "transpose_input"]

# What that code calls the engine files.
PORT_NAMES = {"pnet": "det1", "rnet": "det2", "onet": "det3"}


def transpose_input(model: bytes) -> bytes:
    """The ONNX model with the two spatial axes of its input swapped first: (n, c, x, y) in.

    Raises:
        EngineError: the bytes are no ONNX model with one input.
        MtcnnError: the package onnx is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MtcnnError("the port's layout needs the package onnx: pip install 'trt-mtcnn[models]'") from error
    try:
        graph = onnx.load_from_string(model)
        onnx.checker.check_model(graph)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise EngineError(f"not an ONNX model: {error}") from error
    name = graph.graph.input[0].name
    upright = f"{name}_upright"
    for node in graph.graph.node:
        for i, tensor in enumerate(node.input):
            if tensor == name:
                node.input[i] = upright
    swap = onnx.helper.make_node("Transpose", [name], [upright], name="upright", perm=[0, 1, 3, 2])
    graph.graph.node.insert(0, swap)
    return bytes(graph.SerializeToString())
