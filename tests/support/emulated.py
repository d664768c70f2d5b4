"""A detector on the GPU backend's code with its kernels run as loops on the CPU."""

from __future__ import annotations

from typing import Any
from unittest import mock

from mtcnn import TrtMtcnn
from mtcnn.engines.libraries import openvino_library
from pytrt import testing


def emulated_detector(**arguments: Any) -> TrtMtcnn:
    """TrtMtcnn(device="cpu", ...), on testing.EmulatedGpu in place of the CPU."""
    with mock.patch("mtcnn.detector.cpu_device", lambda threads: testing.EmulatedGpu(openvino_library(), threads)):
        return TrtMtcnn(device="cpu", **arguments)
