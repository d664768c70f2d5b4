"""The environment variables that users set for mtcnn; what each means is in docs/deployment.md."""

from __future__ import annotations

import os

__all__ = ["ENGINES", "MAX_PIXELS", "OPENVINO", "TENSORRT", "value_of"]

ENGINES = "TRT_MTCNN_ENGINES"  # the folder of engines, instead of the user's cache folder
MAX_PIXELS = "TRT_MTCNN_MAX_PIXELS"  # of a picture or film that is read from a file
OPENVINO = "TRT_MTCNN_OPENVINO"  # the file of OpenVINO's C library
TENSORRT = "TRT_MTCNN_TENSORRT"  # the folder of TensorRT's libraries


def value_of(variable: str) -> str | None:
    """Its value; None where it is unset or empty."""
    return os.environ.get(variable) or None
