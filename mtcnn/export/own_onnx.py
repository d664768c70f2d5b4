"""Weights out of the ONNX models of this package, by the names that their arrays have there."""

from __future__ import annotations

import numpy as np

from mtcnn.export.errors import WeightsError
from mtcnn.export.numpy_arrays import Array
from mtcnn.runtime.optional import import_optional

__all__ = ["read_onnx"]


def read_onnx(content: bytes) -> dict[str, Array]:
    """The arrays under the names that facenet-pytorch's state dicts have for them.

    Raises:
        MtcnnError: the package onnx is not installed.
    """
    onnx = import_optional("onnx")
    try:
        initializers = onnx.load_from_string(content).graph.initializer
        arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in initializers}
    except Exception as error:  # protobuf's DecodeError, whose home moves
        raise WeightsError(f"it is no ONNX model, or damaged: {error}") from None
    if not all(isinstance(name, str) for name in arrays):  # bytes, where they are no UTF-8
        raise WeightsError("it is a damaged ONNX model")
    named = {}
    for name, array in arrays.items():
        layer, _, end = name.rpartition(".")
        if array.dtype != np.float32:
            raise WeightsError(f"{name} is not float32")
        torch_layer = layer.replace("fc", "dense").replace("-", "_")
        named[f"{torch_layer}.{end.replace('slope', 'weight')}"] = array.reshape(-1) if end == "slope" else array
    return named
