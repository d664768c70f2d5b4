"""Small files that are meant to cost much, to crash a reader, or to make it read other files."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping

import lz4.frame

from mtcnn.export.torch_files import LEGACY_MAGIC

PROTO = b"\x80\x02"
STOP = b"."
FLOAT_STORAGE = b"ctorch\nFloatStorage\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value


def whole(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def pickled(*parts: bytes) -> bytes:
    return PROTO + b"".join(parts) + STOP


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def torch_file(*parts: bytes, **storages: bytes) -> bytes:
    return zipped({"a/data.pkl": pickled(*parts)} | {f"a/data/{key}": data for key, data in storages.items()})


def tensor(key: bytes, shape: bytes, strides: bytes, offset: int = 0) -> bytes:
    """Opcodes of a tensor of a storage; shape and strides are opcodes, too."""
    storage = b"(" + text(b"storage") + FLOAT_STORAGE + text(key) + text(b"cpu") + whole(1) + b"tQ"
    return REBUILD + b"(" + storage + whole(offset) + shape + strides + b"tR"


def doubling(levels: int) -> bytes:
    """Opcodes of t = (t, t), again and again: as many bytes as levels, 2 ** levels parts."""
    return b")q\x00" + b"h\x00h\x00\x86q\x00" * levels


# Opcodes of pickles.
PICKLES: dict[str, bytes] = {
    "tuples, nested 3,000,000 deep, as a key": b"})" + b"\x85" * 3_000_000 + b"K\x01s",
    "tuples, nested 200,000 deep by marks": b"(" * 200_000 + b"t" * 200_000,
    "100,000 marks, each followed by its tuple": b"(t" * 100_000,
    "lists, nested 3,000,000 deep": b"]" * 3_000_000 + b"a" * 2_999_999,
    "dictionaries in dictionaries": b"}" + (text(b"k") + b"}") * 50_000 + b"s" * 50_000,
    "a key of 2 ** 40 parts": b"}" + doubling(40) + b"K\x01s",
    "a global named by 2 ** 40 parts": doubling(40) + b"h\x00\x93",
    "a list that holds itself": b"]q\x00h\x00a",
    "a list in a tuple in that list": b"]q\x00h\x00\x85a",
    "a call that holds itself": b"cm\nf\n)Rq\x00h\x00b",
    "nested by what the memo gives out": b"]q\x00" + b"]q\x01h\x00h\x01ah\x01q\x00" * 10_000,
    "100,000 memo entries": b"N" + b"".join(b"r" + struct.pack("<I", i * 4096) for i in range(100_000)),
    "a memo entry that is not there": b"h\x07",
    "a number of 2,000 bits": b"\x8a\xfa" + b"\xff" * 249 + b"\x7f",
    "a number of 8,000,000 bits": b"\x8b" + struct.pack("<I", 1_000_000) + b"\x7f" * 1_000_000,
    "a number of -5 bytes": b"\x8b" + struct.pack("<i", -5),
    "a number as text": b"L" + b"9" * 1_000_000 + b"L\n",
    "text of 4 GB": b"X\xff\xff\xff\xffabc",
    "text of 2 ** 63 bytes": b"\x8d" + b"\xff" * 7 + b"\x7fabc",
    "bytes of -1 bytes": b"T\xff\xff\xff\xff",
    "text that is no UTF-8": text(b"\xff\xfe"),
    "text of 60,000,000 characters": text(b"a" * 60_000_000),
    "a list as a key": b"}]K\x01s",
    "bytes as a key": b"}U\x01aK\x01s",
    "NaN as a key": b"}G\x7f\xf8\x00\x00\x00\x00\x00\x00K\x01s",
    "half an item": b"}(K\x01u",
    "an item of a tuple": b"))K\x01s",
    "a value for a number": b"K\x01K\x02a",
    "a call of a number": b"K\x01)R",
    "a call with a number": b"cm\nf\nK\x01R",
    "a state for a number": b"K\x01K\x02b",
    "an item of a call with another state": b"cm\nf\n)RK\x01b" + text(b"k") + b"K\x01s",
    "40,000 items of an OrderedDict, one by one": b"ccollections\nOrderedDict\n)R"
    + b"".join(text(b"%d" % i) + b"Ns" for i in range(40_000)),
    "an empty stack": b"\x85",
    "marks alone": b"((((",
    "no mark": b"t",
    "two results": b"NN",
    "no result": b"",
    "an opcode that is none": b"\xff",
    "a name without end": b"c" + b"a" * 100_000,
    "escape sequences": b"}" + text(b"\x1b]0;title\x07" * 9) + b"Ns",
    "no tensor": b"}" + text(b"k") + b"Ns",
    "a tensor of nothing": b"}" + text(b"k") + REBUILD + b")Rs",
    "a storage that is a number": b"}" + text(b"k") + REBUILD + b"(K\x01K\x01K\x01K\x01tRs",
    "a storage without a key": b"}" + text(b"k") + REBUILD + b"()QK\x01)" + b")tRs",
    "a storage named by 2 ** 40 parts": b"}"
    + text(b"k")
    + REBUILD
    + b"(("
    + text(b"storage")
    + FLOAT_STORAGE
    + doubling(40)
    + b"h\x00tQK\x00))tRs",
}  # fmt: skip


def many_tensors() -> bytes:
    """2,000 tensors of stride 0: 4,096 x 4,096 numbers each, of a storage of one."""
    shape, strides = whole(4096) * 2 + b"\x86", b"K\x00K\x00\x86"
    items = (text(b"%d" % i) + tensor(b"0", shape, strides) for i in range(2000))
    return torch_file(b"}(", *items, b"u", **{"0": bytes(4)})


def many_storages() -> bytes:
    """70 of 1 MB each, in a file of 300 KB."""
    shape, strides = whole(1) + b"\x85", whole(1) + b"\x85"
    items = (text(b"%d" % i) + tensor(b"%d" % i, shape, strides) for i in range(70))
    return torch_file(b"}(", *items, b"u", **{str(i): bytes(1 << 20) for i in range(70)})


def one_tensor(shape: bytes, strides: bytes, offset: int = 0, key: bytes = b"0", data: bytes = bytes(64)) -> bytes:
    return torch_file(b"}" + text(b"k"), tensor(key, shape, strides, offset), b"s", **{"0": data})


def nested_zips(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = zipped({"a.pt": content})
    return content


def changed_entry(content: bytes, offset: int, value: bytes) -> bytes:
    """A zip whose last entry in the list of members is changed."""
    at = content.rindex(b"PK\x01\x02") + offset
    return content[:at] + value + content[at + len(value) :]


def repeated_members(count: int) -> bytes:
    """A zip that lists one member, of 1 MB, under many names."""
    whole_zip = zipped({"00000.npy": bytes(1 << 20)})
    start, end = whole_zip.index(b"PK\x01\x02"), whole_zip.index(b"PK\x05\x06")
    entry = whole_zip[start:end]
    entries = b"".join(entry.replace(b"00000.npy", b"%05d.npy" % i) for i in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    return whole_zip[:start] + entries + tail


def extra_fields(count: int) -> bytes:
    """A zip of members that have 16,000 empty extra fields each, in a zip."""
    whole_zip = zipped({"00000.npy": b""})
    start, end = whole_zip.index(b"PK\x01\x02"), whole_zip.index(b"PK\x05\x06")
    entry = bytearray(whole_zip[start:end])
    entry[30:32] = struct.pack("<H", 64_000)
    entries = (bytes(entry) + b"\xca\xfe\0\0" * 16_000) * count
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    return zipped({"a.pt": whole_zip[:start] + entries + tail})


def duplicates() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")
        for content in (pickled(b"}"), pickled(b"N")):
            archive.writestr("a/data.pkl", content)
    return file.getvalue()


def npy(header: bytes, rest: bytes = b"", length: int | None = None) -> bytes:
    size = len(header) if length is None else length
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", size) + header + rest


def lz4_bomb(size: int) -> bytes:
    return bytes(lz4.frame.compress(bytes(size), block_size=lz4.frame.BLOCKSIZE_MAX4MB))


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    size, length = len(content), b""
    while True:
        length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
        if not size:
            return bytes([number << 3 | 2]) + length + content


def onnx_file(graph: bytes) -> bytes:
    return b"\x08\x08" + field(7, graph)


def deep_graph(depth: int) -> bytes:
    graph = b""
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return graph


_EXTERNAL = field(8, b"conv1.weight") + b"\x10\x01\x08\x02" + field(13, field(1, b"location"))

# Whole files, made when they are asked for.
FILES: dict[str, Callable[[], bytes]] = {
    "2,000 tensors of stride 0": many_tensors,
    "a shape of 50,000 sides": lambda: one_tensor(
        b"(" + whole(1 << 24) * 50_000 + b"t", b"(" + b"K\x00" * 50_000 + b"t"
    ),
    "a shape of sides of 64 bits": lambda: one_tensor(
        (b"\x8a\x08" + b"\xff" * 7 + b"\x7f") * 2 + b"\x86", b"K\x00K\x00\x86"
    ),
    "negative sides": lambda: one_tensor(whole(-3) + b"\x85", whole(1) + b"\x85"),
    "negative strides": lambda: one_tensor(whole(3) + b"\x85", whole(-1) + b"\x85"),
    "a negative offset": lambda: one_tensor(whole(3) + b"\x85", whole(1) + b"\x85", -1),
    "a tensor beyond its storage": lambda: one_tensor(whole(17) + b"\x85", whole(1) + b"\x85"),
    "fewer strides than sides": lambda: one_tensor(whole(3) * 2 + b"\x86", whole(1) + b"\x85"),
    "an empty storage": lambda: one_tensor(whole(1) + b"\x85", whole(1) + b"\x85", data=b""),
    "a storage that is missing": lambda: one_tensor(whole(1) + b"\x85", whole(1) + b"\x85", key=b"../../etc/passwd"),
    "zips, 50 in each other": lambda: nested_zips(50),
    "70 equal members of 1 MB": lambda: zipped({f"{i}.npy": bytes(1 << 20) for i in range(70)}),
    "70 equal storages of 1 MB": many_storages,
    "one member under 3,000 names": lambda: repeated_members(3000),
    "members of 16,000 extra fields": lambda: extra_fields(900),
    "60,000 empty members": lambda: repeated_members(60_000),
    "a member of 70 MB of zeros": lambda: zipped({"a/data.pkl": bytes(70 << 20)}),
    "a member that says it is larger": lambda: changed_entry(
        torch_file(b"}"), 24, struct.pack("<I", 1 << 20)
    ),
    "a member that says it is smaller": lambda: changed_entry(torch_file(b"}"), 24, struct.pack("<I", 1)),
    "a member that says it has 4 GB": lambda: changed_entry(torch_file(b"}"), 24, b"\xfe\xff\xff\xff"),
    "64-bit sizes without the field for them": lambda: changed_entry(torch_file(b"}"), 20, b"\xff" * 8),
    "a member far behind the end": lambda: changed_entry(torch_file(b"}"), 42, b"\xf0\xff\xff\x7f"),
    "an encrypted member": lambda: changed_entry(torch_file(b"}"), 8, b"\x01\x00"),
    "a member of another checksum": lambda: changed_entry(torch_file(b"}"), 16, b"abcd"),
    "a member compressed by LZMA": lambda: zipped({"a/data.pkl": pickled(b"}")}, zipfile.ZIP_LZMA),
    "a member compressed by bzip2": lambda: zipped({"a/data.pkl": pickled(b"}")}, zipfile.ZIP_BZIP2),
    "a member of an unknown method": lambda: changed_entry(torch_file(b"}"), 10, b"\x62\x00"),
    "a member for a later version of zip": lambda: changed_entry(torch_file(b"}"), 6, b"\xff\x00"),
    "a name that is no UTF-8": lambda: changed_entry(
        changed_entry(torch_file(b"}"), 8, b"\x00\x08"), 46, b"\xff\xff"
    ),
    "two members of one name": duplicates,
    "a name of 60,000 characters": lambda: zipped({"\x1b[2J" * 12_000 + ".npy": b"x"}),
    "deflated rubbish": lambda: zipped({"a/data.pkl": bytes(10_000)})[:40] + b"\xff" * 100 + zipped({"a": b""}),
    "a NumPy header of 4 GB": lambda: npy(b"{}", length=2**32 - 1),
    "a NumPy header of nested brackets": lambda: npy(b"[" * 1_000_000),
    "a NumPy file of numbers": lambda: npy(
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,)}", bytes(8)
    ),
    "a NumPy file of structures": lambda: npy(b"{'descr': [('a', 'O', (9999999,))], 'shape': ()}", bytes(8)),
    "70 MB of zeros in LZ4": lambda: lz4_bomb(70 << 20),
    "LZ4 that says it is 2 ** 63 bytes": lambda: b"\x04\x22\x4d\x18\x6c\x40" + b"\xff" * 7 + b"\x7f\x00" + bytes(8),
    "an LZ4 frame without end": lambda: lz4_bomb(1000)[:-8],
    "ONNX data in another file": lambda: onnx_file(field(5, _EXTERNAL)),
    "ONNX dimensions of 2 ** 62": lambda: onnx_file(
        field(5, field(8, b"a.weight") + b"\x10\x01" + (b"\x08" + b"\xff" * 8 + b"\x3f") * 4 + field(9, bytes(16)))
    ),
    "2,000,000 empty ONNX nodes": lambda: onnx_file(b"\x0a\x00" * 2_000_000),
    "2,000,000 empty ONNX arrays": lambda: onnx_file(b"\x2a\x00" * 2_000_000),
    "ONNX graphs in graphs": lambda: onnx_file(deep_graph(500)),
    "an ONNX field without end": lambda: b"\x08" + b"\xff" * 40,
}  # fmt: skip

# How a pickle may be wrapped up.
WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "zip": lambda content: zipped({"a/data.pkl": content}),
    "legacy": lambda content: LEGACY_MAGIC + content,
    "npy": lambda content: npy(b"{}", content),
    "lz4": lz4.frame.compress,
}
