"""The weights of the three networks, whatever file they come in."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from mtcnn import checks
from mtcnn.engines.networks import ARCHITECTURES
from mtcnn.export import torch_files
from mtcnn.export.errors import WeightsError
from mtcnn.export.keras_h5 import H5_MAGIC, read_h5
from mtcnn.export.network_weights import Convention, NetworkWeights, from_list
from mtcnn.export.numpy_arrays import NPY_MAGIC, Array, read_lz4, read_npy
from mtcnn.export.own_onnx import read_onnx

__all__ = ["SUFFIXES", "read_content", "read_weights"]

LZ4_MAGIC = b"\x04\x22\x4d\x18"
MOST_BYTES = 256 << 20
MEMBERS = (".h5", ".hdf5", ".npy", ".lz4", ".pt", ".pth", ".onnx")  # of zips
SUFFIXES = (*MEMBERS, ".keras", ".whl", ".zip")


# The authors trained on MATLAB's images, whose first axis is x. mtcnn 0.1.1 keeps that; mtcnn 1.0.0 and
# facenet-pytorch turned the kernels, and transpose what goes into the first dense layer instead of that layer's rows.
# mtcnn-keras has Permute((3, 2, 1)) there; without it, Keras flattens (y, x, channels).
_NPY = Convention("xyio", "xyi")
_LZ4 = Convention("yxio", "xyi")
_TORCH = Convention("oiyx", "xyi", dense_first=True)
_KERAS = {True: Convention("yxio", "ixy"), False: Convention("yxio", "yxi")}


def read_weights(paths: Iterable[str | os.PathLike[str]]) -> dict[str, NetworkWeights]:
    """The networks in some files: Keras's .h5, mtcnn's .npy and .lz4, facenet-pytorch's .pt, this package's .onnx.

    Args:
        paths: the files; folders stand for what is in them, wheels and zips too. What a file is, is told by its
            bytes, not by its name.

    Returns:
        The networks that were found by name, in the order P-, R-, O-Net.

    Raises:
        WeightsError: a file is missing, damaged, not of one of the three networks, or of one that was there already.
        MtcnnError: a package that reads it is not installed.
    """
    found: dict[str, NetworkWeights] = {}
    for path in _files(paths):
        for weights in read_content(_read(path), str(path)):
            if weights.network in found:
                raise WeightsError(f"{path} holds a {weights.network}, and so does {found[weights.network].source}")
            found[weights.network] = weights
    return {name: found[name] for name in ARCHITECTURES if name in found}


def read_content(content: bytes, source: str) -> list[NetworkWeights]:
    """The networks in a file's bytes; `source` names it in errors.

    Raises:
        WeightsError, MtcnnError: as read_weights().
    """
    try:
        return _networks(content, source)
    except WeightsError as error:
        text = str(error)
        raise error if text.startswith(source) else WeightsError(f"{source}: {text}") from None


def _networks(content: bytes, source: str) -> list[NetworkWeights]:
    if content.startswith(H5_MAGIC):
        keras = read_h5(content)
        return [from_list(keras.arrays, _KERAS[keras.permutes], source)]
    if content.startswith(NPY_MAGIC):
        return [from_list(arrays, _NPY, source) for arrays in read_npy(content).values()]
    if content.startswith(LZ4_MAGIC):
        return [from_list(read_lz4(content), _LZ4, source)]
    if content.startswith(torch_files.LEGACY_MAGIC):
        return _from_state(torch_files.read_legacy(content), source)
    if content.startswith(b"PK\x03\x04"):
        return _from_zip(content, source)
    if content.startswith(b"version https://git-lfs"):
        raise WeightsError("it is a Git LFS pointer, not the weights: git lfs pull")
    if content.startswith(b"\x08"):  # ModelProto.ir_version
        return _from_state(read_onnx(content), source)
    if not content:
        raise WeightsError("it is empty")
    raise WeightsError("it is none of the files that weights of MTCNN come in (.h5, .npy, .lz4, .pt)")


def _from_zip(content: bytes, source: str) -> list[NetworkWeights]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if (pickle := torch_files.find_pickle(archive)) is not None:
                return _from_state(torch_files.read_zip(archive, pickle), source)
            members = [m for m in archive.infolist() if m.filename.endswith(MEMBERS) and m.file_size <= MOST_BYTES]
            found = [w for m in members for w in read_content(archive.read(m), f"{source}/{m.filename}")]
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise WeightsError(f"it is a damaged zip: {error}") from None
    if not found:
        raise WeightsError("it is a zip without weights of MTCNN")
    return found


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
    for network in ARCHITECTURES.values():
        names = [name for layer in network.layers for name in (layer.name, layer.activation)]
        names += network.heads.values()
        wanted = [name.replace("fc", "dense").replace("-", "_") for name in names]
        if layers == set(wanted):
            ends = [("weight",) if name.startswith("prelu") else ("weight", "bias") for name in wanted]
            return [_tensor(tensors, f"{name}.{end}") for name, both in zip(wanted, ends, strict=True) for end in both]
    raise WeightsError(f"its layers are none of facenet-pytorch's MTCNN: {', '.join(sorted(layers)[:8]) or 'none'}")


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
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIXES) and p.is_file())
        if not inside:
            raise WeightsError(f"{path} holds no weights: no file that ends in {', '.join(SUFFIXES)}")
        files += inside
    return files


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WeightsError(f"{path} is far larger than MTCNN's weights")
        return path.read_bytes()
    except FileNotFoundError:
        raise WeightsError(f"there is no file {path}") from None
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
