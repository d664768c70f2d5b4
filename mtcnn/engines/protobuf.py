"""Protobuf's wire format, read field by field: https://protobuf.dev/programming-guides/encoding"""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["BYTES", "VARINT", "Count", "Field", "MalformedProtobufError", "fields", "packed"]

VARINT, _FIXED_64, BYTES, _FIXED_32 = 0, 1, 2, 5  # wire types

Field = tuple[int, int, int, memoryview]  # number, wire type, whole number, bytes
Count = Callable[[], None]  # called for each field; what it raises ends the reading


class MalformedProtobufError(ValueError):
    """The bytes are no message."""


def fields(message: bytes | memoryview, count: Count) -> Iterator[Field]:
    """The fields of a message, in order.

    Raises:
        MalformedProtobufError: it is none.
    """
    data = memoryview(message)
    at = 0
    nothing = data[:0]
    while at < len(data):
        count()
        key, at = _varint(data, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            whole, at = _varint(data, at)
            yield number, wire_type, whole, nothing
            continue
        if wire_type == BYTES:
            size, at = _varint(data, at)
        elif wire_type in (_FIXED_32, _FIXED_64):
            size = 4 if wire_type == _FIXED_32 else 8
        else:
            raise MalformedProtobufError(f"wire type {wire_type}")
        if size > len(data) - at:
            raise MalformedProtobufError("it is truncated")
        yield number, wire_type, 0, data[at : at + size]
        at += size


def packed(data: memoryview, count: Count) -> Iterator[int]:
    """The whole numbers of a packed field."""
    at = 0
    while at < len(data):
        count()
        whole, at = _varint(data, at)
        yield whole


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise MalformedProtobufError("it is truncated")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise MalformedProtobufError("a number without end")
