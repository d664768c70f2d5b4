"""Where the package `mtcnn` on PyPI keeps its Keras models: here are none, and these names say what to use instead."""

from __future__ import annotations

from typing import NoReturn

__all__: list[str] = []

_KERAS_MODELS = ("Network", "NetworkFactory", "ONet", "PNet", "RNet")
INSTEAD = (
    "pytrt.PyTrtMtcnn(engine_path) runs one network on NumPy arrays, mtcnn/models holds all three as ONNX; "
    "to detect with weights of your own see create_engines(models=...)"
)


def __getattr__(name: str) -> NoReturn:
    if name in _KERAS_MODELS:
        raise ImportError(f"{name} is made of Keras, which trt-mtcnn does without: {INSTEAD}")
    raise AttributeError(f"module 'mtcnn.network' has no attribute {name!r}")
