"""A detector on the GPU backend's code with its kernels run as loops on the CPU."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytrt
from mtcnn import TrtMtcnn
from mtcnn.engines.libraries import openvino_library


def emulated_detector(**arguments: Any) -> TrtMtcnn:
    """TrtMtcnn(device="cpu", ...), on pytrt.EmulatedGpu in place of the CPU."""
    with mock.patch("mtcnn.detector.cpu_device", lambda threads: pytrt.EmulatedGpu(openvino_library(), threads)):
        return TrtMtcnn(device="cpu", **arguments)
