"""The weights of a network in one form, and how files lay them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtcnn.engines.networks import ALL_ARCHITECTURES, OUTPUTS, Architecture, Layer
from mtcnn.export.errors import WeightsError
from mtcnn.export.numpy_arrays import Array

__all__ = ["Convention", "LayerWeights", "NetworkWeights", "from_list"]


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """A convolution's weights, for upright images.

    Attributes:
        kernel: (height, width, channels in, channels out), as Keras has it; channels in are those of one group.
        bias: (channels out,).
        slope: (channels out,) of the PReLU that follows; None: none does.
    """

    kernel: Array
    bias: Array
    slope: Array | None = None


@dataclass(frozen=True, eq=False)
class NetworkWeights:
    """The weights of one network.

    Attributes:
        network: "pnet", "rnet", "onet" or "lnet".
        layers: by the names in :data:`mtcnn.engines.networks.ALL_ARCHITECTURES`, heads included.
        source: where they come from.
    """

    network: str
    layers: Mapping[str, LayerWeights]
    source: str = ""

    def arrays(self) -> list[Array]:
        """All of them, layer after layer: kernel, bias, slope."""
        return [a for layer in self.layers.values() for a in (layer.kernel, layer.bias, layer.slope) if a is not None]


@dataclass(frozen=True)
class Convention:
    """How a kind of file lays its arrays out.

    Attributes:
        kernel: the axes of a kernel, of "yxio".
        dense: the axes of the rows of a dense layer's matrix, of "yxi".
        dense_first: whether a dense layer's matrix is (channels out, rows).
    """

    kernel: str
    dense: str
    dense_first: bool = False

    def upright(self, layer: Layer, array: Array) -> Array:
        """A kernel or matrix as (height, width, in, out)."""
        k, channels_in, channels_out = layer.kernel, layer.channels_in // layer.groups, layer.channels_out
        sizes = {"y": k, "x": k, "i": channels_in, "o": channels_out}
        if layer.is_dense and array.ndim == 2:
            axes, plain = self.dense + "o", array.T if self.dense_first else array
            _require_shape(layer.name, plain, (k * k * channels_in, channels_out))
            plain = plain.reshape([sizes[axis] for axis in axes])
        else:
            axes, plain = self.kernel, array
            _require_shape(layer.name, plain, tuple(sizes[axis] for axis in axes))
        return np.ascontiguousarray(plain.transpose([axes.index(axis) for axis in "yxio"]))


def from_list(arrays: Sequence[Array], convention: Convention, source: str) -> NetworkWeights:
    """From kernel, bias, slope of each layer in turn, then kernel and bias of the heads, whose order varies."""
    network = _recognise(arrays)
    due = 3 * len(network.layers) + 2 * len(network.heads)
    if len(arrays) != due:
        raise WeightsError(f"it has {len(arrays)} arrays; a {network.name} has {due}")
    layers = {}
    for i, layer in enumerate(network.layers):
        kernel, bias, slope = arrays[3 * i : 3 * i + 3]
        layers[layer.name] = _layer(layer, convention.upright(layer, kernel), bias, slope)
    heads = [arrays[i : i + 2] for i in range(3 * len(network.layers), due, 2)]
    for output, name in network.heads.items():
        head = Layer(name, 1, network.features, OUTPUTS[output])
        fitting = [pair for pair in heads if pair[1].size == OUTPUTS[output]]
        if len(fitting) != 1:
            raise WeightsError(f"{len(fitting)} of its last layers have {OUTPUTS[output]} channels, for {output}")
        layers[name] = _layer(head, convention.upright(head, fitting[0][0]), fitting[0][1], None)
    return NetworkWeights(network.name, layers, source)


def _recognise(arrays: Sequence[Array]) -> Architecture:
    for network in ALL_ARCHITECTURES.values():
        if len(arrays) > 1 and arrays[1].shape == (network.layers[0].channels_out,):
            return network
    first = f"the first arrays have the shapes {[a.shape for a in arrays[:2]]}" if arrays else "it has no arrays"
    raise WeightsError(f"it is of none of MTCNN's networks: {first}")


def _layer(layer: Layer, kernel: Array, bias: Array, slope: Array | None) -> LayerWeights:
    _require_shape(f"{layer.name}'s bias", bias, (layer.channels_out,))
    if slope is not None:
        if slope.size != layer.channels_out:
            raise WeightsError(f"{layer.activation} has {slope.size} slopes; it should have {layer.channels_out}")
        slope = slope.reshape(-1)
    for array in (kernel, bias, slope):
        if array is not None and not np.isfinite(array).all():
            raise WeightsError(f"{layer.name} has numbers that are not finite")
    return LayerWeights(kernel, bias, slope)


def _require_shape(what: str, array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise WeightsError(f"{what} has the shape {array.shape}; it should have {shape}")
