"""A detector on the GPU backend's code with its kernels run as loops on the CPU."""

from __future__ import annotations

from typing import Any
from unittest import mock

from mtcnn import DeviceError, TrtMtcnn
from mtcnn.engines.libraries import openvino_library
from mtcnn.engines.settings import CUDA
from pytrt.testing import EmulatedGpu

MODES = ("plain", "asynchronous")


def emulated_gpu(mode: str = "plain", threads: int = 1, **arguments: Any) -> EmulatedGpu:
    """The GPU of a mode; arguments as EmulatedGpu takes them."""
    return EmulatedGpu(_openvino(), threads, asynchronous=mode == "asynchronous", **arguments)


def _openvino() -> str:
    """Its library; none where it is not installed, for MTCNN's networks do without."""
    try:
        return openvino_library()
    except DeviceError:
        return ""


def emulated_detector(mode: str = "plain", gpu: EmulatedGpu | None = None, **arguments: Any) -> TrtMtcnn:
    """TrtMtcnn(device="cpu", ...), on an EmulatedGpu, `gpu` or one of this mode, in place of the CPU."""
    with mock.patch("mtcnn.detector.cpu_device", lambda threads: gpu or emulated_gpu(mode, threads)):
        return TrtMtcnn(device="cpu", **arguments)


def kernel_detector(mode: str = "plain", gpu: EmulatedGpu | None = None, **arguments: Any) -> TrtMtcnn:
    """TrtMtcnn(device="cuda", ...) of flavour "cuda", on an EmulatedGpu, `gpu` or one of this mode."""
    device = gpu or emulated_gpu(mode, arguments.get("threads", 1), kernels=True)
    with (
        mock.patch("mtcnn.detector.gpu_flavour", lambda: CUDA),
        mock.patch("mtcnn.detector.cuda_device", lambda flavour, ordinal: device),
    ):
        return TrtMtcnn(device="cuda", **arguments)
