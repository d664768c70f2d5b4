"""An L-Net of random weights: the authors' are not in the repository."""

from __future__ import annotations

from functools import cache

import numpy as np

from mtcnn.engines.networks import LNET, Layer
from mtcnn.export.direct_onnx import write_onnx
from mtcnn.export.network_weights import LayerWeights, NetworkWeights

__all__ = ["lnet_model", "lnet_weights"]


@cache
def lnet_weights(seed: int = 0) -> NetworkWeights:
    """Of outputs about 0.5, of which some lie farther than 0.35 from it."""
    random = np.random.default_rng(seed)
    layers = {}
    for layer in (*LNET.layers, Layer("fc6", 1, LNET.features, 10)):
        inputs = layer.channels_in // layer.groups
        scale = np.sqrt(2 / (layer.kernel**2 * inputs))
        kernel = random.normal(0, scale, (layer.kernel, layer.kernel, inputs, layer.channels_out)).astype(np.float32)
        bias = random.normal(0, 0.1, layer.channels_out).astype(np.float32)
        slope = random.uniform(-0.2, 0.4, layer.channels_out).astype(np.float32)
        is_head = layer.name == "fc6"
        layers[layer.name] = LayerWeights(kernel * 0.3 if is_head else kernel, bias, None if is_head else slope)
    head = layers["fc6"]
    # Each point's head sees its own features alone, as the authors' does.
    mask = np.zeros((5, 64, 2, 5), np.float32)
    for point in range(5):
        mask[point, :, :, point] = 1
    layers["fc6"] = LayerWeights(head.kernel * mask.reshape(320, 10), head.bias + np.float32(0.5))
    return NetworkWeights(LNET.name, layers, "random")


@cache
def lnet_model(seed: int = 0) -> bytes:
    return write_onnx(lnet_weights(seed), {})
