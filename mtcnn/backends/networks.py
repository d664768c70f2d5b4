"""What the three networks can run on, each as a port of MTCNN would call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.backends.plain_cascade import Networks
from mtcnn.engines import NETWORKS, models_folder
from mtcnn.files import read_regular

__all__ = ["BACKENDS", "load"]

Array = npt.NDArray[np.float32]
Run = Callable[[Array], Mapping[str, Array]]


def load(backend: str, threads: int = 0) -> Networks:
    """The networks that come with the package, on one of BACKENDS.

    threads: 0 for one a core; Keras takes what TensorFlow takes.

    Raises:
        ValueError: there is no such backend.
        MtcnnError: what it needs is not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    make = BACKENDS[backend]
    return {network: make(models_folder() / f"{network}.onnx", threads) for network in NETWORKS}


def _keras(path: Path, threads: int) -> Run:
    """model.predict(), as ports of MTCNN call it."""
    model = _keras_model(path)
    return lambda data: _nchw(model.predict(_nhwc(data), batch_size=len(data), verbose=0))


def _keras_batch(path: Path, threads: int) -> Run:
    """model.predict_on_batch(), which leaves out the data pipeline that predict() sets up for each call."""
    model = _keras_model(path)
    return lambda data: _nchw(model.predict_on_batch(_nhwc(data)))


def _keras_model(path: Path) -> Any:
    from mtcnn.export.keras_models import make_model
    from mtcnn.export.weights import read_content

    (weights,) = read_content(read_regular(path), str(path))
    return make_model(weights)


def _nhwc(data: Array) -> Array:
    return np.ascontiguousarray(data.transpose(0, 2, 3, 1))


def _nchw(outputs: Mapping[str, Array]) -> Mapping[str, Array]:
    return {name: value.transpose(0, 3, 1, 2) for name, value in outputs.items()}


def _onnxruntime(path: Path, threads: int) -> Run:
    from mtcnn.export.compare import session

    network = session(read_regular(path), threads)
    names = [output.name for output in network.get_outputs()]
    return lambda data: dict(zip(names, network.run(names, {"data": data}), strict=True))


def _openvino(path: Path, threads: int) -> Run:
    return _engine(path, threads, native=False)


def _native(path: Path, threads: int) -> Run:
    return _engine(path, threads, native=True)


def _engine(path: Path, threads: int, native: bool) -> Run:
    import pytrt
    from mtcnn.engines.libraries import openvino_library

    device = pytrt.CpuDevice("" if native else openvino_library(), threads, native=native)
    infer: Run = device.load_engine(read_regular(path)).infer
    return infer


BACKENDS: Mapping[str, Callable[[Path, int], Run]] = {
    "keras": _keras,
    "keras-batch": _keras_batch,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "native": _native,
}
