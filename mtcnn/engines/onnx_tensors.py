"""The arrays in an ONNX file, read out of its bytes: without the package onnx, and without any other file.

Names and numbers of fields are those of onnx.proto.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtcnn.engines.protobuf import BYTES, VARINT, Count, MalformedProtobufError, fields, packed
from mtcnn.errors import EngineError

__all__ = ["FLOAT", "MalformedOnnxError", "Tensor", "check_weights", "initializers"]

FLOAT, FLOAT16, DOUBLE, BFLOAT16 = 1, 10, 11, 16  # TensorProto.DataType
_ITEM_BYTES = {FLOAT: 4, FLOAT16: 2, DOUBLE: 8, BFLOAT16: 2}
_MOST_FIELDS = 200_000
_MOST_GRAPHS_DEEP = 16
_MOST_NODES = 1_000  # MTCNN's networks have some 30

MalformedOnnxError = MalformedProtobufError


@dataclass(frozen=True)
class Tensor:
    """An array of floating-point numbers; of other types, one without data.

    Attributes:
        data: little-endian, as TensorProto.raw_data has it.
        external: whether the data lie in another file.
    """

    name: str
    data_type: int
    dims: tuple[int, ...]
    data: bytes
    external: bool

    def has_nan(self) -> bool:
        return bool(np.isnan(self._numbers()).any())

    def has_infinity(self) -> bool:
        return bool(np.isinf(self._numbers()).any())

    def _numbers(self) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
        size = _ITEM_BYTES.get(self.data_type, 1)
        data = self.data[: len(self.data) // size * size]
        if self.data_type == BFLOAT16:  # the upper half of a float32
            return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
        kinds = {FLOAT: "<f4", FLOAT16: "<f2", DOUBLE: "<f8"}
        return np.frombuffer(data, kinds[self.data_type]) if self.data_type in kinds else np.empty(0, np.float32)


def initializers(model: bytes, count: Count) -> Iterator[Tensor]:
    """The arrays of a model's graph that have names.

    Args:
        count: called for each field that is read; what it raises ends the reading.

    Raises:
        MalformedOnnxError: the bytes are no ONNX model.
    """
    for number, _, data in _messages(_joined(model, 7, count), count):
        if number == 5:
            yield _tensor(data, count)


def check_weights(model: bytes, what: str) -> None:
    """Whether an ONNX model's weights, wherever they are in it, are numbers. Kernels may turn NaN into a face.

    Args:
        what: names the model in errors.

    Raises:
        EngineError: one is NaN or, in an array of several, infinite; some lie in another file; it is no ONNX model.
    """
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen > _MOST_FIELDS:
            raise MalformedOnnxError(f"it has more than {_MOST_FIELDS:,} fields")

    try:
        if not (graph := _joined(model, 7, count)):
            raise MalformedOnnxError("it has no graph")
        for tensor in _all_tensors(graph, count):
            name = "".join(c if c.isprintable() else "?" for c in tensor.name[:60]) or "a constant"
            if tensor.external:
                raise EngineError(f"{what} has {name} in another file: save the model as one file")
            # A single infinity pads; it weighs nothing.
            if tensor.has_nan() or (tensor.has_infinity() and math.prod(tensor.dims[:8]) != 1):
                raise EngineError(f"{what} has numbers that are NaN or infinite in {name}: export finite weights again")
        _check_nodes(graph)
    except MalformedOnnxError as error:
        raise EngineError(f"{what} is no ONNX model, or damaged: {error}") from None


def _check_nodes(graph: bytes) -> None:
    """Whether the nodes can be worked on one after another, and soon: OpenVINO unrolls a loop of any length and waits
    for ever for a node that takes what it makes. All fields have been counted before.

    Raises:
        MalformedOnnxError: they cannot.
    """
    known = {b""}  # of an input that is left out
    nodes = []
    for number, _, data in _messages(graph, _uncounted):
        if number == 1:
            nodes.append(data)
        elif number == 5:
            known.add(_joined(data, 8, _uncounted))
        elif number == 11:  # input
            known.add(_joined(data, 1, _uncounted))
        elif number == 15:
            known.add(_joined(_joined(data, 1, _uncounted), 8, _uncounted))
    if len(nodes) > _MOST_NODES:
        raise MalformedOnnxError(f"it has {len(nodes):,} nodes, of at most {_MOST_NODES:,}")
    for node in nodes:
        made = []
        for number, _, data in _messages(node, _uncounted):
            if number == 1 and bytes(data) not in known:
                raise MalformedOnnxError("a node takes what none before it makes")
            if number == 2:
                made.append(bytes(data))
            elif number == 5 and any(key in (6, 11) for key, _, _ in _messages(data, _uncounted)):
                raise MalformedOnnxError("it has loops or branches, as MTCNN's networks have not")
        known.update(made)


def _uncounted() -> None:
    pass


def _all_tensors(graph: bytes, count: Count, depth: int = 0) -> Iterator[Tensor]:
    """Those of a graph, of its nodes' attributes, and of the graphs in these."""
    if depth > _MOST_GRAPHS_DEEP:
        raise MalformedOnnxError("graphs in graphs")
    for number, _, data in _messages(graph, count):
        if number == 5:  # initializer
            yield _tensor(data, count)
        elif number == 15:  # sparse_initializer
            yield _tensor(_joined(data, 1, count), count)
        elif number == 1:  # node
            for key, _, attribute in _messages(data, count):
                if key == 5:
                    yield from _attribute_tensors(attribute, count, depth)


def _attribute_tensors(attribute: memoryview, count: Count, depth: int) -> Iterator[Tensor]:
    if tensor := _joined(attribute, 5, count):
        yield _tensor(tensor, count)
    if graph := _joined(attribute, 6, count):
        yield from _all_tensors(graph, count, depth + 1)
    if sparse := _joined(attribute, 22, count):
        yield _tensor(_joined(sparse, 1, count), count)
    for number, _, data in _messages(attribute, count):
        if number == 10:  # tensors
            yield _tensor(data, count)
        elif number == 11:  # graphs
            yield from _all_tensors(bytes(data), count, depth + 1)
        elif number == 23:  # sparse_tensors
            yield _tensor(_joined(data, 1, count), count)


def _tensor(message: bytes | memoryview, count: Count) -> Tensor:
    dims: list[int] = []
    data_type, name, raw, external = 0, "", b"", False
    numbers: list[memoryview] = []  # float_data or double_data
    halves: list[int] = []  # int32_data
    for number, wire_type, whole, data in fields(message, count):
        if number == 1:
            dims += [whole] if wire_type == VARINT else packed(data, count)
        elif number == 2:
            data_type = whole
        elif number in (4, 10):
            numbers.append(data)
        elif number == 5:
            halves += [whole] if wire_type == VARINT else packed(data, count)
        elif number == 8:
            name = bytes(data).decode("utf-8", "replace")
        elif number == 9:
            raw = bytes(data)
        elif number in (13, 14):  # external_data, data_location
            external = external or number == 13 or whole == 1
    if not raw and data_type in _ITEM_BYTES:
        raw = b"".join(numbers)
        if halves:
            raw = np.array([half & 0xFFFF for half in halves], "<u2").tobytes()
    return Tensor(name, data_type, tuple(dims), raw if data_type in _ITEM_BYTES else b"", external)


def _joined(message: bytes | memoryview, number: int, count: Count) -> bytes:
    """A message inside a message: given several times, its parts follow one another."""
    return b"".join(data for key, wire_type, _, data in fields(message, count) if (key, wire_type) == (number, BYTES))


def _messages(message: bytes | memoryview, count: Count) -> Iterator[tuple[int, int, memoryview]]:
    return ((number, kind, data) for number, kind, _, data in fields(message, count) if kind == BYTES)
