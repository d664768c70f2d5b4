"""Which runtime libraries this machine has, and where."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from mtcnn.errors import DeviceError

__all__ = ["openvino_library"]


def openvino_library() -> str:
    """The path of OpenVINO's C library: $TRT_MTCNN_OPENVINO, else in the `openvino` package.

    The package itself is not imported: that would cost more than a detection.

    Raises:
        DeviceError: there is none.
    """
    if chosen := os.environ.get("TRT_MTCNN_OPENVINO"):
        if Path(chosen).is_file():
            return chosen
        raise DeviceError(f"TRT_MTCNN_OPENVINO names no file: {chosen}")
    spec = importlib.util.find_spec("openvino")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        # The plain name on some platforms, else the one that carries the version.
        found = sorted(Path(folder, "libs").glob("libopenvino_c.so*")) or sorted(Path(folder).glob("libopenvino_c.so*"))
        if found:
            return str(found[0])
    raise DeviceError("detecting on the CPU needs OpenVINO, which is not installed: pip install openvino")
