"""A network in plain NumPy, to compare models with: slow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mtcnn.engines.networks import ALL_ARCHITECTURES, OUTPUTS, Layer
from mtcnn.export.network_weights import LayerWeights, NetworkWeights
from mtcnn.export.numpy_arrays import Array

__all__ = ["run_network"]

Maps = npt.NDArray[np.float64]  # (n, channels, h, w)


def run_network(weights: NetworkWeights, data: Array) -> dict[str, Array]:
    """The outputs (n, channels, h', w') for an input (n, c, h, w), computed in float64."""
    network = ALL_ARCHITECTURES[weights.network]
    x: Maps = data.astype(np.float64)
    for layer in network.layers:
        of_layer = weights.layers[layer.name]
        x = _conv(x, layer, of_layer)
        if of_layer.slope is not None:
            x = np.where(x > 0, x, x * of_layer.slope.reshape(-1, 1, 1))
        if layer.pool:
            x = _pool(x, layer.pool, layer.ceil)
    outputs = {}
    for output, name in network.heads.items():
        y = _conv(x, Layer(name, 1, network.features, OUTPUTS[output]), weights.layers[name])
        if output == "prob1":
            y = np.exp(y - y.max(axis=1, keepdims=True))
            y /= y.sum(axis=1, keepdims=True)
        outputs[output] = y.astype(np.float32)
    return outputs


def _conv(x: Maps, layer: Layer, weights: LayerWeights) -> Maps:
    windows = np.lib.stride_tricks.sliding_window_view(x, (layer.kernel, layer.kernel), axis=(2, 3))
    kernels = np.split(weights.kernel.astype(np.float64), layer.groups, axis=3)
    parts = [
        np.tensordot(of_group, kernel, axes=((1, 4, 5), (2, 0, 1))).transpose(0, 3, 1, 2)
        for of_group, kernel in zip(np.split(windows, layer.groups, axis=1), kernels, strict=True)
    ]
    made: Maps = np.concatenate(parts, axis=1) + weights.bias.reshape(-1, 1, 1)
    return made


def _pool(x: Maps, window: int, ceil: bool) -> Maps:
    height, width = ((side - window + (1 if ceil else 0)) // 2 + 1 for side in x.shape[2:])
    padded = np.full((*x.shape[:2], 2 * height + window, 2 * width + window), -np.inf)
    padded[:, :, : x.shape[2], : x.shape[3]] = x
    parts = [
        padded[:, :, dy : dy + 2 * height : 2, dx : dx + 2 * width : 2] for dy in range(window) for dx in range(window)
    ]
    pooled: Maps = np.max(parts, axis=0)
    return pooled
