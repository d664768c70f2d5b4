"""Arrays in pickles and NumPy files, and the two formats of the package `mtcnn` that are made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mtcnn.export.budget import MOST_SIDE, Budget, whole_numbers
from mtcnn.export.errors import WeightsError, printable
from mtcnn.export.pickles import Call, PickleFile, read_pickle

__all__ = ["FLOAT32", "NPY_MAGIC", "Array", "read_lz4", "read_npy"]

Array = npt.NDArray[np.float32]

NPY_MAGIC = b"\x93NUMPY"
FLOAT32 = np.dtype("<f4")


def read_npy(content: bytes, budget: Budget) -> list[list[Array]]:
    """The arrays of each network in a NumPy file of a pickled dictionary.

    That is mtcnn_weights.npy of mtcnn 0.1.1, networks with lists of arrays, or det1.npy and its kin of facenet
    (src/align), one network with dictionaries of each layer's arrays.
    """
    file = PickleFile(content, budget)
    head = _skip_npy_header(file)
    # The type of plain numbers: '<f4', or a list of fields; of a pickled object '|O'.
    if (plain := re.search(rb"'descr': ?([^ ]{1,80})", head[:1024])) and not plain[1].startswith(b"'|O'"):
        kind = printable(plain[1].rstrip(b",").decode("latin-1"))
        raise WeightsError(
            f"it is a NumPy file of one plain array ({kind}), and MTCNN's weights are a pickled dictionary of many, as "
            "mtcnn_weights.npy of mtcnn 0.1.1 and det1.npy of facenet are"
        )
    outer = read_pickle(file)
    if not isinstance(outer, Call) or not isinstance(outer.state, tuple) or len(outer.state) != 5:
        raise WeightsError("it is a NumPy file of something else than MTCNN's weights")
    data = outer.state[4]  # of a 0-d object array: its one element is the dictionary
    if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
        raise WeightsError("it is a NumPy file of something else than MTCNN's weights")
    entries = data[0]
    if entries and all(isinstance(layer, dict) for layer in entries.values()):
        return [[_array(entries[name][part], budget) for name in _in_order(entries) for part in _parts(entries[name])]]
    return [[_array(entry, budget) for entry in _list(arrays)] for arrays in entries.values()]


def _in_order(names: Iterable[str]) -> list[str]:
    """The names of facenet's layers, which Python 2 kept in no order: conv1, PReLU1, ..., conv4-1, conv4-2."""
    numbered = {}
    for name in names:
        match = re.fullmatch(r"(conv|prelu)([1-9])(?:-([1-9]))?", name.lower())
        if match is None:
            raise WeightsError(f"its layers are none of facenet's MTCNN: {printable(name)}")
        kind, number, branch = match.groups()
        numbered[number, kind, branch or ""] = name
    return [numbered[key] for key in sorted(numbered)]


def _parts(layer: dict[str, Any]) -> tuple[str, ...]:
    """The names of a layer's arrays in facenet's files: of a convolution or a dense layer, or of a PReLU."""
    for names in (("weights", "biases"), ("alpha",)):
        if layer.keys() == set(names):
            return names
    found = ", ".join(printable(name) for name in sorted(layer)[:8]) or "no arrays"
    raise WeightsError(f"a layer has {found}; in facenet's MTCNN it has weights and biases, or alpha")


def read_lz4(content: bytes, budget: Budget) -> list[Array]:
    """The arrays of one network in pnet.lz4 and its kin, mtcnn 1.0.0: joblib's format, compressed.

    Raises:
        MtcnnError: the package lz4 is not installed.
    """
    from mtcnn.runtime.optional import import_optional

    lz4 = import_optional("lz4.frame")
    machine = lz4.LZ4FrameDecompressor()
    try:
        plain = machine.decompress(content, max_length=budget.bytes_left)
    except (RuntimeError, EOFError) as error:
        raise WeightsError(f"it is damaged: {error}") from None
    budget.spend_bytes(len(plain))
    if not machine.eof:
        raise WeightsError("it is truncated, or far larger than MTCNN's weights")
    entries = read_pickle(PickleFile(plain, budget), _read_joblib_array)
    arrays = _list(entries)
    if not all(isinstance(entry, np.ndarray) for entry in arrays):
        raise WeightsError("it holds something else than a list of arrays")
    return arrays


def _read_joblib_array(call: Call, file: BinaryIO) -> object:
    # joblib writes an array's numbers behind the object that describes it, aligned by a counted padding.
    if call.name != "joblib.numpy_pickle NumpyArrayWrapper":
        return call
    if not isinstance(call.state, dict):
        raise WeightsError("an array has no description")
    shape = _shape(call.state.get("shape"))
    _require_float32(call.state.get("dtype"), call.state.get("order") == "F")
    if call.state.get("numpy_array_alignment_bytes") is not None:
        (padding,) = file.read(1)
        file.read(padding)
    return _numbers(file.read(math.prod(shape) * FLOAT32.itemsize), shape)


def _skip_npy_header(file: BinaryIO) -> bytes:
    # What it holds is never parsed: it is Python's code for a dictionary.
    # https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    start = file.read(8)
    width = {1: 2, 2: 4, 3: 4}.get(start[6] if len(start) == 8 else 0)
    if start[:6] != NPY_MAGIC or width is None:
        raise WeightsError("it is no NumPy file")
    return file.read(int.from_bytes(file.read(width), "little"))


def _array(entry: Any, budget: Budget) -> Array:
    # An array is _reconstruct(...) with the state (version, shape, dtype, is_fortran, data).
    names = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
    if not isinstance(entry, Call) or entry.name not in names or not isinstance(entry.state, tuple):
        raise WeightsError("it holds something else than arrays")
    if len(entry.state) != 5:
        raise WeightsError("an array has no description")
    _, shape, dtype, is_fortran, data = entry.state
    _require_float32(dtype, is_fortran)
    if isinstance(data, str):  # how Python 2 wrote bytes
        data = _encode(data, budget)
    elif isinstance(data, Call) and data.name == "_codecs encode" and data.arguments[1:] == ("latin1",):
        data = _encode(data.arguments[0], budget)  # how protocol 2 writes bytes
    if not isinstance(data, bytes):
        raise WeightsError("an array has no numbers")
    return _numbers(data, _shape(shape))


def _encode(text: object, budget: Budget) -> bytes | None:
    if not isinstance(text, str):
        return None
    budget.spend_bytes(len(text))
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None


def _require_float32(dtype: Any, is_fortran: object) -> None:
    # A dtype is dtype("f4", ...) with the state (version, byte order, ...).
    fits = isinstance(dtype, Call) and dtype.name == "numpy dtype" and isinstance(dtype.state, tuple)
    if not fits or dtype.arguments[:1] != ("f4",) or dtype.state[1:2] != ("<",) or is_fortran:
        raise WeightsError("its arrays are not little-endian float32 in C order")


def _shape(shape: object) -> tuple[int, ...]:
    if not whole_numbers(shape, 1, MOST_SIDE):
        raise WeightsError("an array has a shape that is none of MTCNN's")
    return shape


def _numbers(data: bytes, shape: tuple[int, ...]) -> Array:
    if len(data) != math.prod(shape) * FLOAT32.itemsize:
        raise WeightsError(f"it is truncated or damaged: {len(data)} bytes for an array of {shape}")
    return np.frombuffer(data, FLOAT32).reshape(shape)


def _list(entries: object) -> list[Any]:
    if not isinstance(entries, list):
        raise WeightsError("it holds something else than a list of arrays")
    return entries
