"""State dicts as torch.save() writes them: since PyTorch 1.6 a zip, before that pickles and numbers in a row."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from mtcnn.export.archives import Archive
from mtcnn.export.budget import MOST_FILE_BYTES, MOST_SIDE, Budget, whole_numbers
from mtcnn.export.errors import WeightsError, printable
from mtcnn.export.numpy_arrays import FLOAT32, Array
from mtcnn.export.pickles import Call, Global, Persistent, PickleFile, read_pickle

__all__ = ["LEGACY_MAGIC", "find_pickle", "read_legacy", "read_zip"]

# A pickle (protocol 2) of torch's magic number.
LEGACY_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
LEGACY_VERSION = 1001


def find_pickle(archive: Archive) -> str | None:
    """The member that holds the state dict; None: torch did not write this zip."""
    return next((name for name in archive.names if re.fullmatch(r"[^/]+/data\.pkl", name)), None)


def read_zip(archive: Archive, pickle: str, budget: Budget) -> dict[str, Array]:
    """The tensors by their names."""
    folder = pickle.partition("/")[0]
    state = read_pickle(PickleFile(archive.read(pickle), budget))
    return _Tensors(budget, lambda key: archive.read(f"{folder}/data/{key}")).read(state)


def read_legacy(content: bytes, budget: Budget) -> dict[str, Array]:
    """The tensors by their names."""
    file = PickleFile(content, budget)
    file.seek(len(LEGACY_MAGIC))
    if read_pickle(file) != LEGACY_VERSION:
        raise WeightsError("it is of another version of torch.save()'s old format")
    machine = read_pickle(file)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise WeightsError("its numbers are not little-endian")
    state = read_pickle(file)
    keys = read_pickle(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise WeightsError("it has no list of storages")
    storages = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little") * FLOAT32.itemsize
        if size > len(content) - file.tell():
            raise WeightsError("it is truncated, or its tensors are not float32")
        storages[key] = file.read(size)

    def storage(key: str) -> bytes:
        if key not in storages:
            raise WeightsError(f"it is damaged: it has no storage {printable(key)}")
        return storages[key]

    return _Tensors(budget, storage).read(state)


class _Tensors:
    def __init__(self, budget: Budget, read_storage: Callable[[str], bytes]) -> None:
        self.budget = budget
        self.read_storage = read_storage
        self.storages: dict[str, Array] = {}  # several tensors may share one

    def read(self, state: object) -> dict[str, Array]:
        """The tensors of a state dict by their names."""
        if isinstance(state, Call) and state.name == "collections OrderedDict":
            state = state.state
        if not isinstance(state, dict) or not state:
            raise WeightsError("it holds something else than a state dict: save model.state_dict()")
        return {name: self.tensor(printable(name), entry) for name, entry in state.items()}

    def tensor(self, name: str, entry: Any) -> Array:
        if isinstance(entry, Call) and entry.name == "torch._utils _rebuild_parameter" and entry.arguments:
            entry = entry.arguments[0]
        if not isinstance(entry, Call) or entry.name != "torch._utils _rebuild_tensor_v2":
            raise WeightsError(f"{name} is no tensor: save model.state_dict()")
        if len(entry.arguments) < 4:
            raise WeightsError(f"{name} is damaged")
        storage, offset, shape, strides = entry.arguments[:4]
        numbers = self.storage(name, storage)
        if (
            not whole_numbers(shape, 1, MOST_SIDE)
            or not whole_numbers((offset,), 0, MOST_FILE_BYTES)
            or not whole_numbers(strides, 0, MOST_FILE_BYTES)
            or len(shape) != len(strides)
        ):
            raise WeightsError(f"{name} is damaged, or has a shape that is none of MTCNN's")
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if last >= len(numbers):
            raise WeightsError(f"it is truncated or damaged: {name} has too few numbers")
        self.budget.spend_bytes(math.prod(shape) * FLOAT32.itemsize)
        view = np.lib.stride_tricks.as_strided(numbers[offset:], shape, [n * FLOAT32.itemsize for n in strides])
        return view.copy()

    def storage(self, name: str, storage: Any) -> Array:
        """The numbers of a storage, of which a tensor is a part."""
        if not isinstance(storage, Persistent) or not isinstance(storage.key, tuple) or len(storage.key) < 3:
            raise WeightsError(f"{name} is damaged")
        _, kind, key = storage.key[:3]
        if not isinstance(kind, Global) or kind.name != "torch FloatStorage":
            raise WeightsError(f"{name} is not float32: save model.float().state_dict()")
        if not isinstance(key, str):
            raise WeightsError(f"{name} is damaged")
        if key not in self.storages:
            data = self.read_storage(key)
            self.storages[key] = np.frombuffer(data, FLOAT32, count=len(data) // FLOAT32.itemsize)
        return self.storages[key]
