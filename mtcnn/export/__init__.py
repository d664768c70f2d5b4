"""From the weights that MTCNN is published with to Keras and ONNX models: what ``mtcnn export`` does.

>>> from mtcnn.export import convert, read_weights
>>> networks = read_weights(["keras_weights"])
>>> model = convert(networks["pnet"])
"""

from __future__ import annotations

from mtcnn.export.convert import Converted, convert
from mtcnn.export.errors import WeightsError
from mtcnn.export.keras_models import make_model
from mtcnn.export.network_weights import LayerWeights, NetworkWeights
from mtcnn.export.weights import read_weights

__all__ = [
    "Converted",
    "LayerWeights",
    "NetworkWeights",
    "WeightsError",
    "convert",
    "make_model",
    "read_weights",
]
