"""State dicts as torch.save() writes them: since PyTorch 1.6 a zip, before that pickles and numbers in a row."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from mtcnn.export.errors import WeightsError
from mtcnn.export.numpy_arrays import FLOAT32, Array
from mtcnn.export.pickles import Call, Global, Persistent, read_pickle

__all__ = ["LEGACY_MAGIC", "find_pickle", "read_legacy", "read_zip"]

# A pickle (protocol 2) of torch's magic number.
LEGACY_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
LEGACY_VERSION = 1001
MOST_BYTES = 64 << 20

Storages = Callable[[str], bytes]


def find_pickle(archive: zipfile.ZipFile) -> str | None:
    """The member that holds the state dict; None: torch did not write this zip."""
    return next((name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)), None)


def read_zip(archive: zipfile.ZipFile, pickle: str) -> dict[str, Array]:
    """The tensors by their names."""
    folder = pickle.partition("/")[0]

    def member(name: str) -> bytes:
        try:
            if archive.getinfo(name).file_size > MOST_BYTES:
                raise WeightsError(f"its member {name} is far larger than MTCNN's weights")
            return archive.read(name)
        except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise WeightsError(f"it is damaged: {error}") from None

    state = read_pickle(io.BytesIO(member(pickle)))
    return _tensors(state, lambda key: member(f"{folder}/data/{key}"))


def read_legacy(content: bytes) -> dict[str, Array]:
    """The tensors by their names."""
    file = io.BytesIO(content)
    file.seek(len(LEGACY_MAGIC))
    if read_pickle(file) != LEGACY_VERSION:
        raise WeightsError("it is of another version of torch.save()'s old format")
    machine = read_pickle(file)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise WeightsError("its numbers are not little-endian")
    state = read_pickle(file)
    keys = read_pickle(file)
    if not isinstance(keys, list):
        raise WeightsError("it has no list of storages")
    storages = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little") * FLOAT32.itemsize
        if size > len(content) - file.tell():
            raise WeightsError("it is truncated, or its tensors are not float32")
        storages[key] = file.read(size)
    return _tensors(state, storages.__getitem__)


def _tensors(state: object, storages: Storages) -> dict[str, Array]:
    if isinstance(state, Call) and state.name == "collections OrderedDict":
        state = state.state
    if not isinstance(state, dict) or not state:
        raise WeightsError("it holds something else than a state dict: save model.state_dict()")
    return {str(name): _tensor(str(name), entry, storages) for name, entry in state.items()}


def _tensor(name: str, entry: Any, storages: Storages) -> Array:
    if isinstance(entry, Call) and entry.name == "torch._utils _rebuild_parameter":
        entry = entry.arguments[0]
    if not isinstance(entry, Call) or entry.name != "torch._utils _rebuild_tensor_v2":
        raise WeightsError(f"{name} is no tensor: save model.state_dict()")
    try:
        storage, offset, shape, strides = entry.arguments[:4]
        _, kind, key = storage.key[:3]
    except (TypeError, ValueError, AttributeError):
        raise WeightsError(f"{name} is damaged") from None
    if not isinstance(storage, Persistent) or kind != Global("torch FloatStorage"):
        raise WeightsError(f"{name} is not float32: save model.float().state_dict()")
    try:
        data = storages(key)
    except (KeyError, TypeError):
        raise WeightsError(f"it is damaged: {name} has no numbers") from None
    sizes = (*_whole_numbers(name, shape), *_whole_numbers(name, strides), *_whole_numbers(name, (offset,)))
    if len(shape) != len(strides) or max(sizes, default=0) > MOST_BYTES:
        raise WeightsError(f"{name} is damaged")
    if math.prod(shape) * FLOAT32.itemsize > MOST_BYTES:
        raise WeightsError(f"{name} has the shape {shape}, which is none of MTCNN's")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    numbers = np.frombuffer(data, FLOAT32, count=len(data) // FLOAT32.itemsize)
    if 0 in shape or last >= len(numbers):
        raise WeightsError(f"it is truncated or damaged: {name} has too few numbers")
    view = np.lib.stride_tricks.as_strided(numbers[offset:], shape, [n * FLOAT32.itemsize for n in strides])
    return view.copy()


def _whole_numbers(name: str, values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(type(n) is int and n >= 0 for n in values):
        raise WeightsError(f"{name} is damaged")
    return values
