"""Keras's .h5 files: whole models, weights alone, and what Keras 3 calls .weights.h5."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtcnn.export.errors import WeightsError
from mtcnn.export.numpy_arrays import Array

__all__ = ["H5_MAGIC", "KerasWeights", "read_h5"]

H5_MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class KerasWeights:
    """The arrays of one network, layer after layer.

    permutes: whether the model has a Permute layer, which mtcnn-keras puts before its first dense layer.
    """

    arrays: list[Array]
    permutes: bool


def read_h5(content: bytes) -> KerasWeights:
    """The weights in the order of the model's layers.

    Raises:
        MtcnnError: the package h5py is not installed.
    """
    from mtcnn.runtime.optional import import_optional

    h5py = import_optional("h5py")
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _read(h5py, file)
    except WeightsError:
        raise
    except Exception as error:  # on damaged files h5py raises nearly anything
        raise WeightsError(f"it is truncated or damaged: {error}") from None


def _read(h5py: Any, file: Any) -> KerasWeights:
    group = file.get("model_weights", file)
    if "layer_names" in group.attrs:
        layers = [_text(name) for name in group.attrs["layer_names"]]
        arrays = [
            _array(h5py, group[layer][_text(name)]) for layer in layers for name in group[layer].attrs["weight_names"]
        ]
    elif isinstance(file.get("layers"), h5py.Group):
        layers = list(file["layers"])
        arrays = _keras_3_arrays(h5py, file["layers"])
    else:
        raise WeightsError("it is an HDF5 file, but none of Keras's weights")
    return KerasWeights(arrays, any(layer.startswith("permute") for layer in layers))


def _keras_3_arrays(h5py: Any, layers: Any) -> list[Array]:
    """Kernel, bias and slope of each layer in turn, then those of the heads.

    Keras 3 calls layers by their class: conv2d, conv2d_1, dense, p_re_lu, ..., numbered in the order of the model.
    """

    def of_class(name: str) -> list[list[Array]]:
        matches = [(re.fullmatch(rf"{name}(?:_(\d+))?", layer), layer) for layer in layers]
        numbered = sorted((int(match[1] or 0), layer) for match, layer in matches if match)
        return [
            [_array(h5py, layers[layer]["vars"][str(i)]) for i in range(len(layers[layer]["vars"]))]
            for _, layer in numbered
        ]

    kernels = of_class("conv2d") + of_class("dense")
    slopes = of_class("p_re_lu")
    trunk = [array for pair in zip(kernels, slopes, strict=False) for arrays in pair for array in arrays]
    return trunk + [array for arrays in kernels[len(slopes) :] for array in arrays]


def _array(h5py: Any, data: Any) -> Array:
    if not isinstance(data, h5py.Dataset) or data.dtype.kind != "f" or data.nbytes > MOST_BYTES:
        raise WeightsError("it holds something else than arrays of numbers")
    return np.asarray(data[()], np.float32)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
