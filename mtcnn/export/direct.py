"""Weights to ONNX without Keras: L-Net, which has no Keras model, and the three beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

import pytrt
from mtcnn.engines import models_folder
from mtcnn.engines.networks import ARCHITECTURES
from mtcnn.errors import MtcnnError
from mtcnn.export.compare import Picture, difference, samples
from mtcnn.export.direct_onnx import write_onnx
from mtcnn.export.network_weights import NetworkWeights
from mtcnn.export.numpy_network import run_network
from mtcnn.export.weights import read_content

__all__ = ["Written", "convert_directly"]

_TOLERANCE = 5e-5  # of float32's numbers from float64's
_EVERY = 4  # sample is computed in NumPy, which is slow
_METADATA = {
    "paper": "arXiv:1604.02878",
    "input": "RGB, (x - 127.5) * 0.0078125, NCHW, upright",
}


@dataclass(frozen=True)
class Written:
    """A network as an ONNX file, and how far it is from others.

    Attributes:
        onnx: the file's bytes; the package's own, where the weights are the same.
        samples: crops, or pictures for P-Net, that were looked at.
        from_numpy: the largest difference of an output from the network in plain NumPy.
        from_own: the same from the model that comes with the package; None of L-Net.
    """

    network: str
    onnx: bytes
    samples: int
    from_numpy: float
    from_own: float | None


def convert_directly(weights: NetworkWeights, pictures: Iterable[Picture]) -> Written:
    """A network as an ONNX model for `create_engines`, checked.

    Raises:
        MtcnnError: it computes something else than the network in plain NumPy.
    """
    model, own = write_onnx(weights, _METADATA), None
    if weights.network in ARCHITECTURES:
        own = (models_folder() / f"{weights.network}.onnx").read_bytes()
        (known,) = read_content(own, f"{weights.network}.onnx")
        if all(np.array_equal(a, b) for a, b in zip(weights.arrays(), known.arrays(), strict=True)):
            model = own  # of which engines that are there were made
    device = pytrt.CpuDevice("", 1)
    ours, theirs = device.load_engine(model), device.load_engine(own) if own else None
    from_numpy, from_own, count = 0.0, 0.0, 0
    for data in samples(weights.network, pictures):
        some = data[::_EVERY]
        found, expected = ours.infer(some), run_network(weights, some)
        from_numpy = max(from_numpy, *(difference(found[name], expected[name]) for name in expected))
        if theirs is not None:
            known_outputs = theirs.infer(some)
            from_own = max(from_own, *(difference(found[name], known_outputs[name]) for name in found))
        count += len(some)
    if from_numpy > _TOLERANCE:
        raise MtcnnError(
            f"the ONNX model of {weights.source} differs from the network in NumPy by {from_numpy:.2g}, more than "
            f"{_TOLERANCE:g}: nothing is written"
        )
    return Written(weights.network, model, count, from_numpy, None if theirs is None else from_own)
