"""Keras's .h5 files: whole models, weights alone, and what Keras 3 calls .weights.h5."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mtcnn.export.budget import Budget
from mtcnn.export.errors import WeightsError, printable
from mtcnn.export.hdf5 import Hdf5File, Hdf5Object
from mtcnn.export.numpy_arrays import Array

__all__ = ["KerasWeights", "read_h5"]


@dataclass(frozen=True)
class KerasWeights:
    """The arrays of one network, layer after layer.

    permutes: whether the model has a Permute layer, which mtcnn-keras puts before its first dense layer.
    """

    arrays: list[Array]
    permutes: bool


def read_h5(content: bytes, budget: Budget) -> KerasWeights:
    """The weights in the order of the model's layers."""
    root = Hdf5File(content, budget).root
    group = root.links.get("model_weights", root)
    layers = group.texts("layer_names")
    if layers is not None:
        arrays = [array for layer in layers for array in _keras_2_arrays(_find(group, layer))]
    elif "layers" in root.links:
        layers = list(root.links["layers"].links)
        arrays = _keras_3_arrays(root.links["layers"])
    else:
        raise WeightsError("it is an HDF5 file, but none of Keras's weights")
    return KerasWeights(arrays, any(layer.startswith("permute") for layer in layers))


def _keras_2_arrays(layer: Hdf5Object) -> list[Array]:
    return [_find(layer, name).array() for name in layer.texts("weight_names") or []]


def _keras_3_arrays(layers: Hdf5Object) -> list[Array]:
    """Kernel, bias and slope of each layer in turn, then those of the heads.

    Keras 3 calls layers by their class: conv2d, conv2d_1, dense, p_re_lu, ..., numbered in the order of the model.
    """

    def of_class(name: str) -> list[list[Array]]:
        matches = [(re.fullmatch(rf"{name}(?:_([0-9]{{1,9}}))?", layer), layer) for layer in layers.links]
        numbered = sorted((int(match[1] or 0), layer) for match, layer in matches if match)
        groups = [_find(layers, f"{layer}/vars") for _, layer in numbered]
        return [[_find(group, str(i)).array() for i in range(len(group.links))] for group in groups]

    kernels = of_class("conv2d") + of_class("dense")
    slopes = of_class("p_re_lu")
    trunk = [array for pair in zip(kernels, slopes, strict=False) for arrays in pair for array in arrays]
    return trunk + [array for arrays in kernels[len(slopes) :] for array in arrays]


def _find(group: Hdf5Object, path: str) -> Hdf5Object:
    found = group.find(path)
    if found is None:
        raise WeightsError(f"it is damaged, or links to other files: it has no {printable(path)}")
    return found
