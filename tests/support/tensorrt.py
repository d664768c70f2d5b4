"""What the tests of TensorRT share: whether it can build here, and small helpers."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest

import pytrt
from mtcnn import DeviceError
from mtcnn.engines import models_folder
from mtcnn.engines.libraries import tensorrt_libraries

RTX = "tensorrt-rtx"
DRIVER_PROBLEM = pytrt.cuda_driver()[0]
SIDES = {"rnet": 24, "onet": 48}


def missing() -> str | None:
    """Why TensorRT-RTX cannot build here."""
    if not any(version.startswith("11.") for version in pytrt.tensorrt_versions()):
        return "this build was made without the headers of TensorRT 11: make tensorrt-headers, then build again"
    try:
        tensorrt_libraries(RTX)
    except DeviceError as error:
        return str(error)
    return None


WHY_NOT = missing()
needs_rtx = pytest.mark.skipif(WHY_NOT is not None, reason=f"TensorRT-RTX cannot build here: {WHY_NOT}")
needs_bindings = pytest.mark.skipif(
    not importlib.util.find_spec("tensorrt_rtx_bindings"),
    reason="targets need TensorRT-RTX's Python package: make tensorrt-rtx",
)
needs_no_gpu = pytest.mark.skipif(not DRIVER_PROBLEM, reason="this machine has a GPU")


def model_bytes(network: str) -> bytes:
    return (models_folder() / f"{network}.onnx").read_bytes()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    if not folder.exists():  # a run that is refused leaves none that it made
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
