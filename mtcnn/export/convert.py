"""Weights to Keras to ONNX, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtcnn import checks
from mtcnn.engines.networks import ARCHITECTURES
from mtcnn.export import keras_models, onnx_graph
from mtcnn.export.network_weights import NetworkWeights
from mtcnn.runtime.optional import import_optional

__all__ = ["LAYOUTS", "OPSETS", "Converted", "convert"]

LAYOUTS = ("nchw", "nhwc")
OPSETS = (13, 18)  # the least, the greatest


@dataclass(frozen=True, eq=False)
class Converted:
    """A network as a Keras model and as an ONNX file.

    Attributes:
        network: "pnet", "rnet" or "onet".
        keras: the keras.Model.
        onnx: the file's bytes.
        layout: of the ONNX model's input and outputs, "nchw" or "nhwc".
    """

    network: str
    keras: Any
    onnx: bytes
    layout: str


def convert(
    weights: NetworkWeights, layout: str = "nchw", opset: int = OPSETS[0], *, layer_names: bool = False
) -> Converted:
    """A network as an ONNX model, through Keras and tf2onnx.

    Args:
        weights: as :func:`mtcnn.export.weights.read_weights` gives them.
        layout: "nchw": as the models that come with the package, for ``create_engines`` and TrtMtcnn: `data`
            (n, 3, h, w) in; `prob1` (n, 2, h', w'), `boxes` (n, 4, h', w'), `landmarks` (n, 10, 1, 1) out.
            "nhwc": as Keras has it: `input_1` (n, h, w, 3) in; P-Net gives (n, h', w', channels), the others
            (n, channels).
        opset: ONNX operator set, 13 to 18.
        layer_names: outputs named after mtcnn-keras's layers instead: `conv4-1` (prob1) and `conv4-2` (boxes) of
            P-Net, `conv5-1`, `conv5-2` of R-Net, `conv6-1`, `conv6-2`, `conv6-3` (landmarks) of O-Net.

    Raises:
        MtcnnError: TensorFlow, tf2onnx or onnx is not installed, or one of another version than is known here.
        TypeError, ValueError: a wrong argument.
    """
    checks.choice(layout, "layout", LAYOUTS)
    checks.whole(opset, "opset", *OPSETS)
    model = keras_models.make_model(weights, flat=layout == "nhwc")
    network = ARCHITECTURES[weights.network]
    tensorflow, tf2onnx = import_optional("tensorflow"), import_optional("tf2onnx")
    signature = [tensorflow.TensorSpec((None, *model.input.shape[1:]), tensorflow.float32, name="input_1")]
    made, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=opset)
    metadata = {
        "source": Path(weights.source).name,
        "input": f"RGB, (x - 127.5) * 0.0078125, {layout.upper()}, upright",
    }
    tidy = onnx_graph.tidy(made, network, layout, layer_names, metadata)
    return Converted(network.name, model, tidy.SerializeToString(deterministic=True), layout)
