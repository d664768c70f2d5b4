"""Weights out of the ONNX models of this package, by the names that their arrays have there."""

from __future__ import annotations

import math

import numpy as np

from mtcnn.engines.onnx_tensors import FLOAT, MalformedOnnxError, Tensor, initializers
from mtcnn.export.budget import MOST_SIDE, Budget, whole_numbers
from mtcnn.export.errors import WeightsError, printable
from mtcnn.export.numpy_arrays import FLOAT32, Array

__all__ = ["read_onnx"]


def read_onnx(content: bytes, budget: Budget) -> dict[str, Array]:
    """The arrays under the names that facenet-pytorch's state dicts have for them."""
    named = {}
    try:
        for tensor in initializers(content, budget.spend_steps):
            layer, _, end = tensor.name.rpartition(".")
            array = _array(tensor, budget)
            torch_layer = layer.replace("fc", "dense").replace("-", "_")
            named[f"{torch_layer}.{end.replace('slope', 'weight')}"] = array.reshape(-1) if end == "slope" else array
    except MalformedOnnxError as error:
        raise WeightsError(f"it is no ONNX model, or damaged: {error}") from None
    if not named:
        raise WeightsError("it is no ONNX model of MTCNN, or damaged: it has no weights")
    return named


def _array(tensor: Tensor, budget: Budget) -> Array:
    name = printable(tensor.name)
    if tensor.external:
        raise WeightsError(f"{name} lies in another file: save the model as one file")
    if tensor.data_type != FLOAT:
        raise WeightsError(f"{name} is not float32")
    if not whole_numbers(tensor.dims, 1, MOST_SIDE):
        raise WeightsError(f"{name} has a shape that is none of MTCNN's")
    if len(tensor.data) != math.prod(tensor.dims) * FLOAT32.itemsize:
        raise WeightsError(f"it is truncated or damaged: {len(tensor.data)} bytes for an array of {tensor.dims}")
    budget.spend_bytes(len(tensor.data))
    return np.frombuffer(tensor.data, FLOAT32).reshape(tensor.dims)
