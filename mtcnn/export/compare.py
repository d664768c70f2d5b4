"""Whether an ONNX model computes what its Keras model does, and what the package's own models do, on real crops."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn.engines import models_folder
from mtcnn.engines.networks import ALL_ARCHITECTURES, ARCHITECTURES
from mtcnn.errors import MtcnnError
from mtcnn.export.convert import Converted
from mtcnn.export.numpy_arrays import Array
from mtcnn.runtime.optional import import_optional

__all__ = ["FACE", "TOLERANCE", "Comparison", "compare", "difference", "runs_natively", "samples", "session"]

TOLERANCE = 1e-5  # of the ONNX model's numbers from the Keras model's
FACE = Path(__file__).with_name("face.jpg")  # 160 x 160, an astronaut

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Comparison:
    """The largest differences of an ONNX model's outputs.

    Attributes:
        network: which of the three.
        samples: crops, or pictures for P-Net, that were looked at.
        keras: from the Keras model.
        own: from the model that comes with the package; larger for weights that differ.
        scores: the least and the greatest probability of a face that the Keras model gave.
    """

    network: str
    samples: int
    keras: float
    own: float
    scores: tuple[float, float]

    @property
    def agrees(self) -> bool:
        return self.keras <= TOLERANCE


def samples(network: str, pictures: Iterable[Picture]) -> list[Array]:
    """Batches of a network's input (n, 3, h, w) from pictures.

    P-Net is given each picture at three sizes, odd ones among them; the others square windows on a grid in each, from
    the whole of it down to a sixth, and L-Net five of them at once.
    """
    batches = []
    for img in pictures:
        height, width = img.shape[:2]
        if network == "pnet":
            for side in (37, 96, 211):
                scale = side / min(height, width)
                size = (max(12, round(height * scale)), max(12, round(width * scale)))
                batches.append(pytrt.resize(img, *size)[np.newaxis])
            continue
        network_side, channels = ALL_ARCHITECTURES[network].side, ALL_ARCHITECTURES[network].channels
        assert network_side
        crops = pytrt.crop_resize(img, _windows(height, width), network_side)
        taken = len(crops) // (channels // 3) * (channels // 3)
        batches.append(crops[:taken].reshape(-1, channels, network_side, network_side))
    return batches


def _windows(height: int, width: int) -> npt.NDArray[np.int32]:
    windows = []
    for parts in (1, 1.5, 2, 3, 4, 6):
        side = max(1, int(min(height, width) / parts))
        for y in np.linspace(0, height - side, int(2 * parts) - 1):
            for x in np.linspace(0, width - side, int(2 * parts) - 1):
                windows.append((int(x), int(y), int(x) + side - 1, int(y) + side - 1))
    return np.array(windows, np.int32)


def session(model: bytes, threads: int = 0) -> Any:
    """An ONNX Runtime session on the CPU; threads: 0 for one a core.

    Raises:
        MtcnnError: ONNX Runtime is not installed.
    """
    runtime = import_optional("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def compare(converted: Converted, pictures: Iterable[Picture]) -> Comparison:
    """Run both models, and the package's own, on what samples() cuts out of the pictures.

    Raises:
        MtcnnError: ONNX Runtime is not installed.
    """
    ours = session((models_folder() / f"{converted.network}.onnx").read_bytes())
    theirs = session(converted.onnx)
    batches = samples(converted.network, pictures)
    from_keras = from_own = 0.0
    scores: list[Array] = []
    for data in batches:
        nhwc = np.ascontiguousarray(data.transpose(0, 2, 3, 1))
        outputs = converted.keras(nhwc)
        keras = {name: np.asarray(outputs[name]) for name in ARCHITECTURES[converted.network].heads}
        (given,) = theirs.get_inputs()
        found = theirs.run(None, {given.name: data if converted.layout == "nchw" else nhwc})
        own = ours.run(list(keras), {"data": data})
        for (name, expected), value, reference in zip(keras.items(), found, own, strict=True):
            if converted.layout == "nchw":
                value = value.transpose(0, 2, 3, 1)
            reference = reference.transpose(0, 2, 3, 1).reshape(value.shape)
            from_keras = max(from_keras, difference(value, expected))
            from_own = max(from_own, difference(value, reference))
            if name == "prob1":
                scores.append(expected[..., 1].ravel())
    probability = np.concatenate(scores)
    count = sum(len(data) for data in batches)
    return Comparison(
        converted.network, count, from_keras, from_own, (float(probability.min()), float(probability.max()))
    )


def runs_natively(converted: Converted) -> bool:
    """Whether this package's own CPU kernels take the ONNX model for the network that it is."""
    try:
        pytrt.CpuDevice("", 1).load_engine(converted.onnx)
    except MtcnnError:
        return False
    return True


def difference(a: Array, b: Array) -> float:
    """The largest; infinite where one is NaN."""
    with np.errstate(invalid="ignore"):
        largest = float(np.abs(a - b).max(initial=0))
    return math.inf if math.isnan(largest) else largest  # max() passes over NaN
