"""Files of weights, made part by part: pickles of opcodes, zips of members, HDF5 of objects, ONNX of fields.

Bytes that are changed at random seldom get past a checksum or a length; these files do.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import time
from collections.abc import Callable
from functools import lru_cache

import h5py
import numpy as np

from mtcnn.engines.networks import ALL_ARCHITECTURES
from mtcnn.engines.onnx_tensors import check_weights
from mtcnn.engines.store import models_folder
from mtcnn.errors import EngineError
from mtcnn.export.errors import WeightsError
from mtcnn.export.weights import read_content, read_weights
from tests.fuzz.choices import Choices
from tests.support import hostile_h5, weight_files
from tests.support import hostile_weights as hostile

# Of processor time for one file; the sanitizers, which take each of Python's objects from malloc, slow it down by 50.
SECONDS = 50 if "asan" in os.environ.get("LD_PRELOAD", "") else 3

NAMES = (b"k", b"conv1.weight", b"prelu1.weight", b"storage", b"0", b"cpu", b"\xff", b"", b"\x1b[2J", b"n" * 5000)
GLOBALS = (
    hostile.REBUILD,
    hostile.FLOAT_STORAGE,
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy\ndtype\n",
    b"cnumpy\nndarray\n",
    b"c_codecs\nencode\n",
    b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n",
    b"cposix\nsystem\n",
)
# Opcodes without arguments; those that no pickle of weights has are among them.
PLAIN = b"()]}.0123NtabeosulRQb\x81\x85\x86\x87\x88\x89\x93\x94\x8f\x90\x91\x92\x97\x98"
SIZES = (0, 1, 2, 255, 256, 4096, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def read(content: bytes) -> None:
    """It is weights, or refused in a line, and takes no time to speak of."""
    start = time.process_time()
    try:
        for found in read_content(content, "file"):
            assert found.network in ALL_ARCHITECTURES
            for array in found.arrays():
                assert array.dtype == np.float32 and np.isfinite(array).all()
    except WeightsError as error:
        assert str(error).isprintable() and len(str(error)) < 1000, repr(error)
    assert time.process_time() - start < SECONDS, "it takes too long"


def pickles(data: bytes) -> None:
    """Opcodes in any order, in each of the files that pickles come in."""
    c = Choices(data)
    wrap = hostile.WRAPPERS[c.pick(sorted(hostile.WRAPPERS))]
    parts = [repeated(opcode(c), c.pick((*[1] * 60, 2, 300, 60_000))) for _ in range(c.whole(0, 60))]
    read(wrap(hostile.PROTO + b"".join(parts) + hostile.STOP))


def repeated(part: bytes, count: int) -> bytes:
    return part * min(count, max(1, (1 << 16) // max(1, len(part))))


def opcode(c: Choices) -> bytes:
    made: list[Callable[[], bytes]] = [
        lambda: PLAIN[(at := c.whole(0, len(PLAIN) - 1)) : at + 1],
        lambda: hostile.text(c.pick(NAMES)),
        lambda: c.pick(GLOBALS),
        lambda: hostile.whole(c.pick((0, 1, -1, 3, 16, 4096, 2**31 - 1))),
        lambda: c.pick((b"q", b"h")) + bytes([c.whole(0, 9)]),
        lambda: c.pick((b"r", b"j")) + struct.pack("<I", c.pick(SIZES)),
        lambda: c.pick((b"T", b"B", b"X")) + struct.pack("<I", c.pick(SIZES)) + c.take(c.whole(0, 9)),
        lambda: c.pick((b"\x8d", b"\x8e", b"\x95")) + struct.pack("<Q", c.pick((0, 1, 2**32, 2**63, 2**64 - 1))),
        lambda: b"\x8a" + bytes([(n := c.whole(0, 255))]) + c.take(min(n, 9)) + b"\x7f" * max(0, n - 9),
        lambda: b"G" + struct.pack(">d", c.real()),
        lambda: tensor(c),
        lambda: c.take(1),
    ]
    return c.pick(made)()


def tensor(c: Choices) -> bytes:
    """Opcodes of a tensor that is right, or nearly."""
    side = lambda: hostile.whole(c.pick((1, 3, 10, 0, -1, 4096, 4097, 2**31 - 1)))  # noqa: E731
    sides = lambda: b"(" + b"".join(side() for _ in range(c.whole(0, 5))) + b"t"  # noqa: E731
    return hostile.tensor(c.pick((b"0", b"0", b"1", b"../0")), sides(), sides(), c.pick((0, 0, 1, -1, 2**31 - 1)))


def zips(data: bytes) -> None:
    """Members of all sizes and kinds, zips among them, and the fields that tell about them."""
    read(a_zip(Choices(data), 0))


def a_zip(c: Choices, depth: int) -> bytes:
    names = ("a/data.pkl", "a/data/0", "a/data/1", "pnet.npy", "x.h5", "y.lz4", "z.pt", "m.onnx", "../e.pt", "n" * 9000)
    members = {c.pick(names): member(c, depth) for _ in range(c.whole(0, 5))}
    content = bytearray(hostile.zipped(members, c.pick((8, 8, 0, 12, 14))))
    for _ in range(c.whole(0, 3)):
        records = [match.start() for match in re.finditer(rb"PK(\x03\x04|\x01\x02|\x05\x06)", content)]
        at = c.pick(records) + c.whole(4, 60)
        value = struct.pack("<Q", c.pick((*SIZES, 2**64 - 1, *records)))[: c.pick((1, 2, 4, 8))]
        content[at : at + len(value)] = value
    if c.whole(0, 9) == 9:  # the list of members several times
        start, end = content.find(b"PK\x01\x02"), content.find(b"PK\x05\x06")
        if start >= 0:
            content[end:end] = repeated(bytes(content[start:end]), c.pick((1, 100, 5000)))
    return bytes(content)


def member(c: Choices, depth: int) -> bytes:
    made: list[Callable[[], bytes]] = [
        lambda: c.pick(whole_files()),
        lambda: bytes(c.pick((0, 4, 64, 1 << 20))),
        lambda: hostile.pickled(*(opcode(c) for _ in range(c.whole(0, 9)))),
        lambda: hostile.pickled(b"}", hostile.text(c.pick(NAMES)), tensor(c), b"s"),
        lambda: c.take(c.whole(0, 50)),
        lambda: a_zip(c, depth + 1) if depth < 5 else b"",
    ]
    return c.pick(made)()


@lru_cache(maxsize=1)
def whole_files() -> list[bytes]:
    pnet = read_weights([models_folder() / "pnet.onnx"])["pnet"]
    tensors = weight_files.torch_tensors(pnet)
    return [
        weight_files.mtcnn_0({"pnet": pnet}),
        weight_files.mtcnn_1(pnet),
        weight_files.torch_zip(tensors),
        weight_files.torch_legacy(tensors),
        weight_files.keras_2(pnet),
        (models_folder() / "pnet.onnx").read_bytes(),
    ]


def hdf5(data: bytes) -> None:
    """Objects of all kinds; their sizes, counts, addresses and flags are others."""
    c = Choices(data)
    base = c.pick(h5_files())
    content = bytearray(base)
    places = objects(base)
    for _ in range(c.whole(0, 6)):
        at = c.pick(places) + c.whole(0, 100)
        value = struct.pack("<Q", c.pick((*SIZES, 2**63, 2**64 - 1, c.whole(0, 255), *places)))
        value = value[: c.pick((1, 2, 4, 8))]
        content[at : at + len(value)] = value
    read(bytes(content))


@lru_cache(maxsize=16)
def objects(content: bytes) -> list[int]:
    """Where a file's objects begin."""
    found = re.finditer(rb"\x89HDF|HEAP|TREE|SNOD|GCOL|OHDR|OCHK|FRHP|\x01\0.\0\x01\0\0\0", content, re.S)
    return [match.start() for match in found]


@lru_cache(maxsize=1)
def h5_files() -> list[bytes]:
    pnet = read_weights([models_folder() / "pnet.onnx"])["pnet"]

    def keras_3(libver: str) -> bytes:
        file = io.BytesIO()
        with h5py.File(file, "w", libver=libver) as h5:
            for name in ("conv2d", "conv2d_1", "p_re_lu"):
                for i in range(2):
                    h5.create_dataset(f"layers/{name}/vars/{i}", data=np.ones((3, 4), "f4"))
        return file.getvalue()

    return [
        weight_files.keras_2(pnet),
        weight_files.keras_2(pnet, model=True),
        keras_3("earliest"),
        keras_3("latest"),
        *(make() for name, make in hostile_h5.FILES.items() if "without end" not in name and "60,000" not in name),
    ]


def onnx_fields(data: bytes) -> None:
    """Fields of protocol buffers in each other."""
    c = Choices(data)
    content = b"\x08\x08" + fields(c, 0)
    read(content)
    with contextlib.suppress(EngineError):
        check_weights(content, "model")


def fields(c: Choices, depth: int) -> bytes:
    made: list[Callable[[], bytes]] = [
        lambda: hostile.field(c.pick((7, 7, 1, 5, 5, 6, 10, 11, 15)), fields(c, depth + 1) if depth < 25 else b""),
        lambda: hostile.field(c.pick((4, 8, 9, 9, 13)), c.take(c.whole(0, 40))),
        lambda: bytes([c.pick((1, 2, 5, 14)) << 3, c.whole(0, 127)]),
        lambda: bytes([c.whole(0, 127)]) + c.take(c.whole(0, 9)),
        lambda: hostile.field(8, c.pick((b"conv1.weight", b"conv1.bias", b"prelu1.slope"))),
    ]
    return b"".join(repeated(c.pick(made)(), c.pick((*[1] * 40, 9, 3000))) for _ in range(c.whole(0, 6)))
