"""TensorRT plans of face embedders, kept beside the engines."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytrt
from mtcnn.engines import engines_folder
from mtcnn.engines.devices import tensorrt_flavour
from mtcnn.engines.tensorrt import tensorrt
from mtcnn.errors import EngineError
from mtcnn.files import locked, read_regular, replacing

__all__ = ["embedder_plan"]

Shape = tuple[int, int, int, int]


def embedder_plan(model: bytes, least: Shape, batch: int, gpu: int = 0, flavour: str | None = None) -> bytes:
    """The plan of an ONNX model for this machine's GPU, built where there is none yet.

    Args:
        model: the ONNX file's bytes.
        least: the smallest input it is to take; others differ in their batch.
        batch: the greatest batch, which it is tuned for.
        gpu: which of this machine's it is for.
        flavour: "tensorrt" or "tensorrt-rtx"; default what this machine can use.

    Raises:
        EngineError: TensorRT refuses the model, or the folder cannot be written.
        DeviceError: there is no TensorRT.
    """
    flavour = flavour or tensorrt_flavour()
    library = tensorrt(flavour)
    _, driver, gpus = pytrt.cuda_driver()
    settings = repr((library.version, driver, gpus[gpu : gpu + 1], least, batch)).encode()
    name = hashlib.sha256(model + settings).hexdigest()[:32]
    folder = engines_folder(flavour) / "embedders"
    path = folder / f"{name}.plan"
    with locked(folder):
        if path.exists():
            return read_regular(path)
        most = (batch, *least[1:])
        plan, _ = library.build(model, [(least, most, most)], gpu=gpu if gpus else -1)
        _write(path, plan)
    return plan


def _write(path: Path, plan: bytes) -> None:
    try:
        with replacing(path) as file:
            file.write(plan)
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
