"""The three networks as Keras 3 models."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import Any

from mtcnn.engines.networks import ARCHITECTURES, OUTPUTS
from mtcnn.errors import MtcnnError
from mtcnn.export.network_weights import NetworkWeights
from mtcnn.runtime.optional import import_optional
from mtcnn.runtime.silence import silence

__all__ = ["keras", "make_model"]


def keras() -> Any:
    """Keras on TensorFlow, silent about what it finds on this machine.

    Raises:
        MtcnnError: it is not installed, or Keras is set to run on something else.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if (wanted := os.environ.setdefault("KERAS_BACKEND", "tensorflow")) != "tensorflow":
        raise MtcnnError(f"Keras is to run on {wanted} here: unset KERAS_BACKEND")
    # TensorFlow's libraries write while they load and look for GPUs, whatever the log level.
    with silence() if "tensorflow" not in sys.modules else contextlib.nullcontext():
        import_optional("tensorflow").config.list_logical_devices()
        module = import_optional("keras")
    if module.backend.backend() != "tensorflow":
        raise MtcnnError(f"Keras runs on {module.backend.backend()} here: unset KERAS_BACKEND")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of each size of P-Net's input
    return module


def make_model(weights: NetworkWeights, *, flat: bool = False) -> Any:
    """A network as a Keras model.

    Args:
        weights: its weights.
        flat: whether R-Net and O-Net give (n, channels) rather than (n, 1, 1, channels).

    Returns:
        A keras.Model from `input_1` (n, h, w, 3), upright RGB, (x - 127.5) * 0.0078125, to `prob1` (n, h', w', 2),
        `boxes` (n, h', w', 4) and, from O-Net, `landmarks` (n, h', w', 10).

    Raises:
        MtcnnError: TensorFlow is not installed.
    """
    layers = keras().layers
    network = ARCHITECTURES[weights.network]
    data = x = layers.Input((network.side, network.side, 3), name="input_1")
    made = []
    for layer in network.layers:
        made.append(layers.Conv2D(layer.channels_out, layer.kernel, name=layer.name))
        x = made[-1](x)
        x = layers.PReLU(shared_axes=[1, 2], name=layer.activation)(x)
        if layer.pool:
            # "same" rounds up. It pads on the left only where windows of 3 meet odd sizes, and here these are even.
            x = layers.MaxPool2D(layer.pool, 2, "same" if layer.ceil else "valid")(x)
    outputs = {}
    for output, name in network.heads.items():
        activation = "softmax" if output == "prob1" else None
        y = layers.Conv2D(OUTPUTS[output], 1, activation=activation, name=name)(x)
        outputs[output] = layers.Flatten(name=f"{name}_flat")(y) if flat and network.side else y
    model = keras().Model(data, outputs, name=network.name)
    for name, layer_weights in weights.layers.items():
        model.get_layer(name).set_weights([layer_weights.kernel, layer_weights.bias])
        if layer_weights.slope is not None:
            activation = next(layer.activation for layer in network.layers if layer.name == name)
            model.get_layer(activation).set_weights([layer_weights.slope.reshape(1, 1, -1)])
    return model
