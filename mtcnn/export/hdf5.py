"""HDF5 files, as far as Keras writes them: groups, arrays in one piece, attributes of text.

HDF5's own library follows a file to others on this machine (external storage, external links, virtual datasets), and
damaged files crash it. Here one file's bytes are read, and what needs another, or code of filters, is an error.
The format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtcnn.export.budget import MOST_SIDE, Budget, whole_numbers
from mtcnn.export.errors import WeightsError, printable
from mtcnn.export.numpy_arrays import Array

__all__ = ["H5_MAGIC", "Hdf5File", "Hdf5Object"]

H5_MAGIC = b"\x89HDF\r\n\x1a\n"
_NOWHERE = 2**64 - 1  # the address of what is not there
_MOST_NAME_BYTES = 1024
_MOST_TREE_LEVELS = 8
# Messages of object headers.
_DATASPACE, _LINK_INFO, _DATATYPE, _LINK, _EXTERNAL_FILES, _LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
_FILTERS, _ATTRIBUTE, _CONTINUATION, _SYMBOL_TABLE, _ATTRIBUTE_INFO = 0x0B, 0x0C, 0x10, 0x11, 0x15
_SHARED = 2  # flag of a message that lies elsewhere
_FLOAT, _STRING, _VARIABLE_LENGTH = 1, 3, 9  # classes of datatypes
# Sign, exponent's place and bits, mantissa's bits, exponent's bias, of IEEE 754.
_IEEE = {2: (15, 10, 5, 10, 15), 4: (31, 23, 8, 23, 127), 8: (63, 52, 11, 52, 1023)}


class _Bytes:
    """Bytes with an end: nothing is read beyond it."""

    def __init__(self, data: memoryview, at: int = 0) -> None:
        self._data = data
        self.at = at

    def left(self) -> int:
        return len(self._data) - self.at

    def take(self, count: int) -> memoryview:
        if count < 0 or count > self.left():
            raise WeightsError("it is truncated or damaged: its parts lie beyond its end")
        self.at += count
        return self._data[self.at - count : self.at]

    def whole(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def expect(self, magic: bytes) -> None:
        if self.take(len(magic)) != magic:
            raise WeightsError(f"it is damaged: a part of it is no {magic[:4].decode()}")

    def part(self, count: int) -> _Bytes:
        return _Bytes(self.take(count))


@dataclass(frozen=True)
class _Message:
    kind: int
    flags: int
    data: memoryview

    def read(self) -> _Bytes:
        if self.flags & _SHARED:
            raise WeightsError("it shares types between its arrays, as Keras does not")
        return _Bytes(self.data)


class Hdf5File:
    """A file's root is an object like any other: a group."""

    def __init__(self, content: bytes, budget: Budget) -> None:
        self._data = memoryview(content)
        self.budget = budget
        file = self.at(len(H5_MAGIC))
        version = file.whole(1)
        if version <= 1:
            file.take(4)
            sizes = (file.whole(1), file.whole(1))
            file.take(9 if version == 0 else 13)
            base = file.whole(8)
            file.take(32)  # free space, end, driver, name of the root
        elif version <= 3:
            sizes = (file.whole(1), file.whole(1))
            file.take(1)
            base = file.whole(8)
            file.take(16)  # extension, end
        else:
            raise WeightsError(f"it is of version {version} of HDF5's format")
        if sizes != (8, 8) or base != 0:
            raise WeightsError("it is no HDF5 file as Keras writes them: its addresses have another size or base")
        self.root = Hdf5Object(self, file.whole(8))

    def at(self, address: int) -> _Bytes:
        self.budget.spend_steps()
        if address > len(self._data):
            raise WeightsError("it is truncated or damaged: its parts lie beyond its end")
        return _Bytes(self._data, address)


class Hdf5Object:
    """A group or an array."""

    def __init__(self, file: Hdf5File, address: int) -> None:
        self._file = file
        self._address = address

    @cached_property
    def links(self) -> dict[str, Hdf5Object]:
        """What a group holds, by names; empty for an array."""
        links: dict[str, Hdf5Object] = {}
        for message in self._messages:
            if message.kind == _SYMBOL_TABLE:
                table = message.read()
                tree, heap = table.whole(8), self._file.at(table.whole(8))
                heap.expect(b"HEAP")
                heap.take(4)
                size = heap.whole(8)
                heap.take(8)
                names = self._file.at(heap.whole(8)).take(size)
                links |= self._tree_links(tree, names, _MOST_TREE_LEVELS)
            elif message.kind == _LINK:
                links |= self._link(message.read())
            elif message.kind == _LINK_INFO:
                info = message.read()
                info.take(1)
                info.take(8 if info.whole(1) & 1 else 0)
                if info.whole(8) != _NOWHERE:
                    raise WeightsError("it keeps its groups in heaps, as Keras does not: save it again with Keras")
        return links

    def find(self, path: str) -> Hdf5Object | None:
        """What lies at the end of a path of names."""
        found: Hdf5Object | None = self
        for name in path.split("/"):
            self._file.budget.spend_steps()
            if found is not None and name:
                found = found.links.get(name)
        return found

    def texts(self, name: str) -> list[str] | None:
        """An attribute's values; None: there is none of the name."""
        for message in self._messages:
            if message.kind == _ATTRIBUTE and (values := self._attribute(message.read(), name)) is not None:
                return values
            if message.kind == _ATTRIBUTE_INFO:
                info = message.read()
                info.take(1)
                info.take(2 if info.whole(1) & 1 else 0)
                if info.whole(8) != _NOWHERE:
                    raise WeightsError("it keeps attributes in heaps, as Keras does not: save it again with Keras")
        return None

    def array(self) -> Array:
        """An array's numbers as float32.

        Raises:
            WeightsError: it is no array of floating-point numbers in one piece in this file.
        """
        parts = {message.kind: message for message in self._messages}
        if _EXTERNAL_FILES in parts:
            raise WeightsError("it keeps numbers in other files: they are not looked for")
        if not {_DATASPACE, _DATATYPE, _LAYOUT} <= parts.keys():
            raise WeightsError("it holds something else than arrays of numbers")
        shape = _shape(parts[_DATASPACE].read())
        dtype = _float_type(parts[_DATATYPE].read())
        if not whole_numbers(shape, 1, MOST_SIDE):
            raise WeightsError("it has an array of a shape that is none of MTCNN's")
        if _FILTERS in parts:
            raise WeightsError("its arrays are compressed, as Keras's are not: h5repack -f NONE -l CONTI")
        size = math.prod(shape) * dtype.itemsize
        self._file.budget.spend_bytes(math.prod(shape) * 4)
        numbers = np.frombuffer(self._layout(parts[_LAYOUT].read(), size), dtype).reshape(shape)
        with np.errstate(over="ignore"):  # to infinity, which is refused with a better message
            return numbers.astype(np.float32)

    def _layout(self, layout: _Bytes, size: int) -> memoryview:
        version, kind = layout.whole(1), layout.whole(1)
        if version in (3, 4) and kind == 0:
            return layout.part(layout.whole(2)).take(size)
        if version in (3, 4) and kind == 1:
            address = layout.whole(8)
            if address == _NOWHERE:
                raise WeightsError("it has an array without numbers")
            return self._file.at(address).take(size)
        if kind == 3:
            raise WeightsError("it has virtual datasets, which are parts of other files: they are not looked for")
        raise WeightsError("its arrays are in chunks, as Keras's are not: h5repack -f NONE -l CONTI")

    @cached_property
    def _messages(self) -> list[_Message]:
        header = self._file.at(self._address)
        new = bytes(header.take(4)) == b"OHDR"
        header.at -= 4
        messages, blocks = [], [self._new_block(header) if new else self._old_block(header)]
        order = bool(new and self._file.at(self._address + 5).whole(1) & 4)
        while blocks:
            block = blocks.pop()
            while block.left() >= (4 + 2 * order if new else 8):
                self._file.budget.spend_steps()
                kind, size, flags = block.whole(1 if new else 2), block.whole(2), block.whole(1)
                block.take(2 * order if new else 3)
                message = _Message(kind, flags, block.take(size))
                if kind != _CONTINUATION:
                    messages.append(message)
                    continue
                place = message.read()
                more = self._file.at(place.whole(8)).part(place.whole(8))
                if new:
                    more.expect(b"OCHK")
                    more = more.part(more.left() - 4)  # a checksum is last
                blocks.append(more)
        return messages

    def _old_block(self, header: _Bytes) -> _Bytes:
        if header.whole(1) != 1:
            raise WeightsError("it is damaged: an object has no header")
        header.take(7)
        size = header.whole(4)
        header.take(4)
        return header.part(size)

    def _new_block(self, header: _Bytes) -> _Bytes:
        header.take(5)
        flags = header.whole(1)
        header.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
        return header.part(header.whole(1 << (flags & 3)))

    def _tree_links(self, address: int, names: memoryview, levels: int) -> dict[str, Hdf5Object]:
        if levels == 0:
            raise WeightsError("it is damaged: a group has no end")
        links: dict[str, Hdf5Object] = {}
        tree = self._file.at(address)
        if bytes(tree.take(4)) == b"SNOD":
            tree.take(2)
            for _ in range(tree.whole(2)):
                self._file.budget.spend_steps()
                name, to, kind = tree.whole(8), tree.whole(8), tree.whole(4)
                tree.take(20)
                if kind != 2:  # a symbolic link, which Keras does not write
                    links[_name(names, name)] = Hdf5Object(self._file, to)
            return links
        tree.at -= 4
        tree.expect(b"TREE\0")
        tree.take(1)
        count = tree.whole(2)
        tree.take(16)
        for _ in range(count):
            tree.take(8)
            links |= self._tree_links(tree.whole(8), names, levels - 1)
        return links

    def _link(self, link: _Bytes) -> dict[str, Hdf5Object]:
        link.take(1)
        flags = link.whole(1)
        kind = link.whole(1) if flags & 8 else 0
        link.take((8 if flags & 4 else 0) + (1 if flags & 0x10 else 0))
        name = _decoded(link.take(link.whole(1 << (flags & 3))))
        return {name: Hdf5Object(self._file, link.whole(8))} if kind == 0 else {}

    def _attribute(self, attribute: _Bytes, wanted: str) -> list[str] | None:
        version, flags = attribute.whole(1), attribute.whole(1)
        sizes = [attribute.whole(2) for _ in range(3)]
        attribute.take(1 if version == 3 else 0)
        # In version 1 each part is padded to eight bytes.
        name, datatype, space = (attribute.part(-(-size // 8) * 8 if version == 1 else size) for size in sizes)
        if _decoded(name.take(name.left())) != wanted:
            return None
        if version > 1 and flags:
            raise WeightsError("it shares types between its attributes, as Keras does not")
        count = math.prod(_shape(space))
        kind = datatype.whole(1) & 15
        datatype.take(3)
        size = datatype.whole(4)
        if count == 0:
            return []  # of any type: Keras writes no names as no numbers
        self._file.budget.spend_steps(count)
        self._file.budget.spend_bytes(count * size)
        if kind == _STRING:
            return [_decoded(attribute.take(size)) for _ in range(count)]
        if kind == _VARIABLE_LENGTH and size == 16:
            return [self._heap_text(attribute.part(16)) for _ in range(count)]
        raise WeightsError(f"its {printable(wanted)} are no names")

    def _heap_text(self, reference: _Bytes) -> str:
        length, heap, index = reference.whole(4), self._file.at(reference.whole(8)), reference.whole(4)
        heap.expect(b"GCOL")
        heap.take(4)
        objects = heap.part(heap.whole(8) - 16)
        while objects.left() >= 16:
            self._file.budget.spend_steps()
            found = objects.whole(2)
            objects.take(6)
            size = objects.whole(8)
            if found == index:
                return _decoded(objects.take(min(size, length)))
            objects.take(min(-(-size // 8) * 8, objects.left()))
        raise WeightsError("it is damaged: it has no such text")


def _shape(space: _Bytes) -> tuple[int, ...]:
    version, rank = space.whole(1), space.whole(1)
    space.take(6 if version == 1 else 2)
    return tuple(space.whole(8) for _ in range(rank))


def _float_type(datatype: _Bytes) -> np.dtype[np.floating]:
    kind, bits, sign = datatype.whole(1) & 15, datatype.whole(1), datatype.whole(1)
    datatype.take(1)
    size = datatype.whole(4)
    if kind != _FLOAT or size not in _IEEE:
        raise WeightsError("it holds something else than arrays of floating-point numbers")
    offset, precision, place, exponent, low, mantissa, bias = (datatype.whole(n) for n in (2, 2, 1, 1, 1, 1, 4))
    if (offset, precision, low) != (0, 8 * size, 0) or (sign, place, exponent, mantissa, bias) != _IEEE[size]:
        raise WeightsError("it holds floating-point numbers that are not of IEEE 754")
    return np.dtype(f"{'>' if bits & 1 else '<'}f{size}")


def _name(names: memoryview, offset: int) -> str:
    return _decoded(names[offset : offset + _MOST_NAME_BYTES])


def _decoded(data: memoryview) -> str:
    """Text up to its first zero."""
    if len(data) > _MOST_NAME_BYTES:
        raise WeightsError("it has a name of far more than a name's length")
    return bytes(data).partition(b"\0")[0].decode("utf-8", "replace")
