"""Weights out of the authors' Caffe files, det1.caffemodel to det4.caffemodel.

They are messages NetParameter of caffe.proto (https://github.com/BVLC/caffe), of which the layers' names and arrays are
read and nothing else.
"""

from __future__ import annotations

import math

import numpy as np

from mtcnn.engines.protobuf import BYTES, VARINT, MalformedProtobufError, fields, packed
from mtcnn.export.budget import MOST_SIDE, Budget, whole_numbers
from mtcnn.export.errors import WeightsError, printable
from mtcnn.export.network_weights import Convention, NetworkWeights, from_list
from mtcnn.export.numpy_arrays import FLOAT32, Array

__all__ = ["read_caffe"]

# The authors trained on MATLAB's images, whose first axis is x, and flatten (channels, x, y).
_CAFFE = Convention("oixy", "ixy", dense_first=True)

# Numbers of fields.
_OLD_LAYERS, _LAYER = 2, 100  # of NetParameter
_NAME, _BLOBS = 1, 7  # of LayerParameter
_DATA, _SHAPE, _DOUBLES = 5, 7, 8  # of BlobProto
_DIM = 1  # of BlobShape

_TOWERS = range(1, 6)
_UNUSED = "conv5-3"  # R-Net's landmarks, which nobody trained


def read_caffe(content: bytes, source: str, budget: Budget) -> NetworkWeights:
    """The network in a .caffemodel.

    Raises:
        WeightsError: it is damaged, or of another network.
    """
    try:
        layers = _layers(content, budget)
    except MalformedProtobufError as error:
        raise WeightsError(f"it is no Caffe model, or damaged: {error}") from None
    if not layers:
        raise WeightsError("it is no Caffe model of MTCNN, or damaged: it has no weights")
    layers.pop(_UNUSED, None)
    arrays = _lnet(layers) if "conv1_1" in layers else [array for blobs in layers.values() for array in blobs]
    return from_list(arrays, _CAFFE, source)


def _layers(content: bytes, budget: Budget) -> dict[str, list[Array]]:
    """The arrays of each layer that has some."""
    layers: dict[str, list[Array]] = {}
    for number, kind, _, message in fields(content, budget.spend_steps):
        if number == _OLD_LAYERS and kind == BYTES:
            raise WeightsError("it is in Caffe's old format: convert it with Caffe's upgrade_net_proto_binary")
        if number != _LAYER or kind != BYTES:
            continue
        name, blobs = "", []
        for part, part_kind, _, data in fields(message, budget.spend_steps):
            if part_kind == BYTES and part == _NAME:
                name = bytes(data).decode("utf-8", "replace")
            elif part_kind == BYTES and part == _BLOBS:
                blobs.append(_blob(data, budget))
        if not blobs:
            continue
        if name in layers:
            raise WeightsError(f"it has more than one layer {printable(name)}")
        layers[name] = blobs
    return layers


def _blob(message: memoryview, budget: Budget) -> Array:
    shape: list[int] = []
    data = bytearray()
    for number, kind, _, part in fields(message, budget.spend_steps):
        if number == _DATA and kind != VARINT:  # packed, or a field each
            budget.spend_bytes(len(part))
            data += part
        elif number == _SHAPE and kind == BYTES:
            for key, dim_kind, whole, dims in fields(part, budget.spend_steps):
                if key == _DIM:
                    shape += [whole] if dim_kind == VARINT else packed(dims, budget.spend_steps)
        elif number == _DOUBLES:
            raise WeightsError("its weights are not float32")
    sides = tuple(shape)
    if not whole_numbers(sides, 1, MOST_SIDE):
        raise WeightsError("a layer's array has a shape that is none of MTCNN's")
    if len(data) != math.prod(sides) * FLOAT32.itemsize:
        raise WeightsError(f"it is truncated or damaged: {len(data)} bytes for an array of {sides}")
    return np.frombuffer(bytes(data), FLOAT32).reshape(sides)


def _lnet(layers: dict[str, list[Array]]) -> list[Array]:
    """L-Net's arrays, the five towers and the five heads joined: kernel, bias, slope of each layer in turn."""
    arrays = [
        np.concatenate([_array(layers, f"{kind}{i}_{tower}", part) for tower in _TOWERS])
        for i in (1, 2, 3)
        for kind, part in (("conv", 0), ("conv", 1), ("prelu", 0))
    ]
    arrays += [_array(layers, "fc4", 0), _array(layers, "fc4", 1), _array(layers, "prelu4", 0)]
    arrays += [
        np.concatenate([_array(layers, f"{name}_{tower}", part) for tower in _TOWERS])
        for name, part in (("fc4", 0), ("fc4", 1), ("prelu4", 0))
    ]
    # Each head sees its own features alone, and makes x and y of its point.
    heads = [_array(layers, f"fc5_{tower}", 0) for tower in _TOWERS]
    biases = [_array(layers, f"fc5_{tower}", 1) for tower in _TOWERS]
    if {head.shape for head in heads} != {(2, 64)} or {bias.shape for bias in biases} != {(2,)}:
        raise WeightsError("its last layers are none of L-Net's")
    kernel = np.zeros((2, len(heads), len(heads), 64), np.float32)
    for i, head in enumerate(heads):
        kernel[:, i, i] = head
    return [*arrays, kernel.reshape(10, 320), np.stack(biases, axis=1).reshape(10)]


def _array(layers: dict[str, list[Array]], name: str, part: int) -> Array:
    blobs = layers.get(name, [])
    if part >= len(blobs):
        raise WeightsError(f"it has no {name}, or not all of it")
    return blobs[part]
