"""HDF5 files that are meant to make a reader read other files, run for ever, or crash."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np


def keras_file(fill: Callable[[Any], object], **options: Any) -> bytes:
    """A .h5 with the layer "conv1", whose weights are "k"; `fill` is to make it, in the layer's group."""
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as h5:
        h5.attrs["layer_names"] = [b"conv1"]
        group = h5.create_group("conv1")
        group.attrs["weight_names"] = [b"k"]
        fill(group)
    return file.getvalue()


def virtual(group: Any) -> None:
    layout = h5py.VirtualLayout((8,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (8,))
    group.create_virtual_dataset("k", layout)


def named(names: Any, **options: Any) -> bytes:
    """A .h5 whose list of layers is another."""

    def fill(group: Any) -> None:
        group.create_dataset("k", data=np.zeros((8, 3), "f4"))
        group.file.attrs["layer_names"] = names

    return keras_file(fill, **options)


def lists() -> Any:
    of_lists = np.empty(2, object)
    of_lists[:] = [np.zeros(9), np.zeros(5)]
    return of_lists


def changed_h5(find: bytes, offset: int, value: bytes) -> bytes:
    """A .h5 of one array of which some bytes are others."""
    content = keras_file(lambda group: group.create_dataset("k", data=np.zeros(3, "f4")))
    at = content.index(find) + offset
    return content[:at] + value + content[at + len(value) :]


def endless_header() -> bytes:
    """The root's header goes on at its own beginning."""
    content = changed_h5(b"\x89HDF", 0, b"\x89HDF")
    root = int.from_bytes(content[64:72], "little")
    message = struct.pack("<HHB3xQQ", 0x10, 16, 0, root + 16, 24)
    return content[: root + 16] + message + content[root + 40 :]


def endless_tree() -> bytes:
    """A node of a group's tree that is its own child."""
    content = changed_h5(b"TREE", 0, b"TREE")
    at = content.index(b"TREE")
    return content[: at + 32] + struct.pack("<Q", at) + content[at + 40 :]


# Made when they are asked for.
FILES: dict[str, Callable[[], bytes]] = {
    "an array in another file": lambda: keras_file(
        lambda group: group.create_dataset("k", (8,), "f4", external=[("/etc/passwd", 0, 32)])
    ),
    "a virtual dataset": lambda: keras_file(virtual),
    "a link to another file": lambda: keras_file(
        lambda group: group.__setitem__("k", h5py.ExternalLink("/etc/passwd", "/x"))
    ),
    "a link to another file, as HDF5 1.8 writes it": lambda: keras_file(
        lambda group: group.__setitem__("k", h5py.ExternalLink("/etc/passwd", "/x")), libver="latest"
    ),
    "a link by a name": lambda: keras_file(lambda group: group.__setitem__("k", h5py.SoftLink("/conv1/k"))),
    "a group that holds itself": lambda: keras_file(lambda group: group.__setitem__("k", group.file["/"])),
    "4 GB of zeros in chunks": lambda: keras_file(
        lambda group: group.create_dataset("k", (4096, 4096, 64), "f4", compression="gzip", fillvalue=0)
    ),
    "an array without numbers": lambda: keras_file(lambda group: group.create_dataset("k", (4096, 4096), "f4")),
    "an array of no side": lambda: keras_file(lambda group: group.create_dataset("k", (0,), "f4")),
    "an array of no shape": lambda: keras_file(lambda group: group.create_dataset("k", data=h5py.Empty("f4"))),
    "an array of texts": lambda: keras_file(lambda group: group.create_dataset("k", data=[b"a", b"b"])),
    "an array of structures": lambda: keras_file(
        lambda group: group.create_dataset("k", data=np.zeros(3, [("a", "f4"), ("b", "i8")]))
    ),
    "an array of references": lambda: keras_file(
        lambda group: group.create_dataset("k", data=group.ref, dtype=h5py.ref_dtype)
    ),
    "an array of a type that has a name": lambda: keras_file(
        lambda group: (group.__setitem__("t", np.dtype("f4")), group.create_dataset("k", (3,), group["t"]))
    ),
    "a type for an array": lambda: keras_file(lambda group: group.__setitem__("k", np.dtype("f4"))),
    "1,000 times the same layer": lambda: named([b"conv1"] * 1000),
    "a layer's name of 60,000 characters": lambda: named([b"a" * 60_000]),
    "a layer's name that is no UTF-8": lambda: named([b"\xff\xfe\x1b[2J"]),
    "a layer's name of 500 folders": lambda: named([b"/".join([b"."] * 500)]),
    "numbers for names": lambda: named(np.zeros(1000)),
    "references for names": lambda: keras_file(
        lambda group: group.file.attrs.create("layer_names", [group.ref] * 9, dtype=h5py.ref_dtype)
    ),
    "lists for names": lambda: keras_file(
        lambda group: group.file.attrs.create("layer_names", lists(), dtype=h5py.vlen_dtype("f8"))
    ),
    "names of 60,000 characters elsewhere": lambda: named(["a" * 60_000] * 100),
    "attributes in a heap": lambda: named([b"conv1" * 20_000], libver="latest"),
    "a header without end": endless_header,
    "a tree without end": endless_tree,
    "a heap beyond the end": lambda: changed_h5(b"HEAP", 8, b"\xff" * 8),
    "an object beyond the end": lambda: changed_h5(b"\x89HDF", 64, b"\xff" * 8),
    "addresses of 255 bytes": lambda: changed_h5(b"\x89HDF", 13, b"\xff"),
    "a later version of HDF5": lambda: changed_h5(b"\x89HDF", 8, b"\x09"),
    "another base": lambda: changed_h5(b"\x89HDF", 24, b"\x08"),
}
