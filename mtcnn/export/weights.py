"""The weights of the networks, whatever file they come in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from mtcnn import checks
from mtcnn.engines.networks import ALL_ARCHITECTURES, ARCHITECTURES
from mtcnn.errors import MtcnnError
from mtcnn.export import torch_files
from mtcnn.export.archives import ZIP_MAGIC, Archive
from mtcnn.export.budget import MOST_FILE_BYTES, Budget
from mtcnn.export.caffe import read_caffe
from mtcnn.export.errors import WeightsError, printable
from mtcnn.export.hdf5 import H5_MAGIC
from mtcnn.export.keras_h5 import read_h5
from mtcnn.export.network_weights import Convention, NetworkWeights, from_list
from mtcnn.export.numpy_arrays import NPY_MAGIC, Array, read_lz4, read_npy
from mtcnn.export.own_onnx import read_onnx
from mtcnn.files import read_regular

__all__ = ["SUFFIXES", "read_content", "read_weights"]

LZ4_MAGIC = b"\x04\x22\x4d\x18"
_PROTOTXT = re.compile(rb'\s{0,64}name:\s{0,64}"')
MEMBERS = (".h5", ".hdf5", ".npy", ".lz4", ".pt", ".pth", ".onnx", ".caffemodel")  # of zips
SUFFIXES = (*MEMBERS, ".keras", ".whl", ".zip")


# The authors trained on MATLAB's images, whose first axis is x. mtcnn 0.1.1 keeps that; mtcnn 1.0.0 and
# facenet-pytorch turned the kernels, and transpose what goes into the first dense layer instead of that layer's rows.
# mtcnn-keras has Permute((3, 2, 1)) there; without it, Keras flattens (y, x, channels).
_NPY = Convention("xyio", "xyi")
_LZ4 = Convention("yxio", "xyi")
_TORCH = Convention("oiyx", "xyi", dense_first=True)
_KERAS = {True: Convention("yxio", "ixy"), False: Convention("yxio", "yxi")}


def read_weights(paths: Iterable[str | os.PathLike[str]]) -> dict[str, NetworkWeights]:
    """The networks in some files.

    These are the authors' .caffemodel, Keras's .h5, mtcnn's and facenet's .npy, mtcnn's .lz4, facenet-pytorch's .pt and
    this package's .onnx.

    Args:
        paths: the files; folders stand for what is in them, wheels and zips too. What a file is, is told by its
            bytes, not by its name.

    Returns:
        The networks that were found by name, in the order P-, R-, O-, L-Net.

    Raises:
        WeightsError: a file is missing, damaged, not of one of the three networks, or of one that was there already.
        MtcnnError: a package that reads it is not installed.
    """
    found: dict[str, NetworkWeights] = {}
    for path in _files(paths):
        for weights in read_content(_read(path), str(path)):
            _add(found, weights)
    return {name: found[name] for name in ALL_ARCHITECTURES if name in found}


def read_content(content: bytes, source: str) -> list[NetworkWeights]:
    """The networks in a file's bytes; `source` names it in errors.

    Whatever the bytes are, they are read within a :class:`~mtcnn.export.budget.Budget`, or refused.

    Raises:
        WeightsError, MtcnnError: as read_weights().
    """
    return _read_within(Budget(), content, source)


def _read_within(budget: Budget, content: bytes, source: str) -> list[NetworkWeights]:
    try:
        with budget.inner_file():
            return _networks(content, source, budget)
    except WeightsError as error:
        text = str(error)
        raise error if text.startswith(source) else WeightsError(f"{source}: {text}") from None
    except MtcnnError:
        raise  # a package that is missing
    # Of damaged bytes libraries raise nearly anything: zipfile alone nine kinds of errors.
    except Exception as error:
        said = printable(f"{type(error).__name__}: {error}")
        raise WeightsError(f"{source}: it is damaged ({said})") from None


def _networks(content: bytes, source: str, budget: Budget) -> list[NetworkWeights]:
    if content.startswith(H5_MAGIC):
        keras = read_h5(content, budget)
        return [from_list(keras.arrays, _KERAS[keras.permutes], source)]
    if content.startswith(NPY_MAGIC):
        return [from_list(arrays, _NPY, source) for arrays in read_npy(content, budget)]
    if content.startswith(LZ4_MAGIC):
        return [from_list(read_lz4(content, budget), _LZ4, source)]
    if content.startswith(torch_files.LEGACY_MAGIC):
        return _from_state(torch_files.read_legacy(content, budget), source)
    if content.startswith(ZIP_MAGIC):
        return _from_zip(content, source, budget)
    if content.startswith(b"version https://git-lfs"):
        raise WeightsError("it is a Git LFS pointer, not the weights: git lfs pull")
    if content.startswith(b"\x0a"):  # NetParameter.name
        return [read_caffe(content, source, budget)]
    if _PROTOTXT.match(content):
        raise WeightsError("it tells a network's layers, not its weights: give the .caffemodel beside it")
    if content.startswith(b"\x08"):  # ModelProto.ir_version
        return _from_state(read_onnx(content, budget), source)
    if not content:
        raise WeightsError("it is empty")
    raise WeightsError("it is none of the files that weights of MTCNN come in (.caffemodel, .h5, .npy, .lz4, .pt)")


def _from_zip(content: bytes, source: str, budget: Budget) -> list[NetworkWeights]:
    archive = Archive(content, budget)
    if (pickle := torch_files.find_pickle(archive)) is not None:
        return _from_state(torch_files.read_zip(archive, pickle, budget), source)
    found: dict[str, NetworkWeights] = {}
    for name in archive.names:
        if not name.endswith(MEMBERS):
            continue
        for weights in _read_within(budget, archive.read(name), f"{source}/{printable(name)}"):
            _add(found, weights)
    if not found:
        raise WeightsError("it is a zip without weights of MTCNN")
    return list(found.values())


def _add(found: dict[str, NetworkWeights], weights: NetworkWeights) -> None:
    if (before := found.get(weights.network)) is not None:
        raise WeightsError(f"{weights.source} holds a {weights.network}, and so does {before.source}")
    found[weights.network] = weights


def _from_state(tensors: Mapping[str, Array], source: str) -> list[NetworkWeights]:
    """Those of a network's state dict, or of the state dict of facenet-pytorch's MTCNN, which has all three."""
    groups: dict[str, dict[str, Array]] = {}
    for name, tensor in tensors.items():
        network, _, rest = name.partition(".")
        if network in ARCHITECTURES and rest:
            groups.setdefault(network, {})[rest] = tensor
    return [from_list(_in_order(group), _TORCH, source) for group in (groups.values() or [tensors])]


def _in_order(tensors: Mapping[str, Array]) -> list[Array]:
    layers = {name.rpartition(".")[0] for name in tensors}
    for network in ALL_ARCHITECTURES.values():
        names = [name for layer in network.layers for name in (layer.name, layer.activation)]
        names += network.heads.values()
        wanted = [name.replace("fc", "dense").replace("-", "_") for name in names]
        if layers == set(wanted):
            ends = [("weight",) if name.startswith("prelu") else ("weight", "bias") for name in wanted]
            return [_tensor(tensors, f"{name}.{end}") for name, both in zip(wanted, ends, strict=True) for end in both]
    raise WeightsError(f"its layers are none of facenet-pytorch's MTCNN: {_some(layers)}")


def _some(names: Iterable[str]) -> str:
    return ", ".join(printable(name) for name in sorted(names)[:8]) or "none"


def _tensor(tensors: Mapping[str, Array], name: str) -> Array:
    if name not in tensors:
        raise WeightsError(f"it has no {name}")
    return tensors[name]


def _files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    if isinstance(paths, (str, bytes, os.PathLike)):
        paths = [paths]
    files: list[Path] = []
    for i, given in enumerate(paths):
        path = checks.path(given, f"paths[{i}]")
        try:
            if not path.is_dir():
                files.append(path)
                continue
            inside = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIXES) and p.is_file())
        except OSError as error:
            raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
        if not inside:
            raise WeightsError(f"{path} holds no weights: no file that ends in {', '.join(SUFFIXES)}")
        files += inside
    return files


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MOST_FILE_BYTES)
    except FileNotFoundError:
        raise WeightsError(f"there is no file {path}") from None
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
