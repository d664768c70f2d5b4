"""What this machine has of what detection can use. A fact that is not there is ``{"missing": how to get it}``."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytrt
from mtcnn.engines import NETWORKS, engine_problem, engines_folder
from mtcnn.engines.devices import cpu_model, gpu_flavour
from mtcnn.engines.libraries import openvino_library
from mtcnn.engines.networks import LNET
from mtcnn.engines.precision import times_faster
from mtcnn.engines.settings import FLAVOURS, PRECISIONS, TENSORRT_FLAVOURS
from mtcnn.engines.tensorrt import tensorrt_version
from mtcnn.errors import MtcnnError
from mtcnn.runtime.install import has_opencv_wheels
from mtcnn.runtime.opencv import picture_library

__all__ = ["collect_environment"]

# Package: what it is needed for.
_PACKAGES = {
    "av": "films",
    "opencv-python-headless": "reading and drawing pictures, cameras and windows",
    "onnx": "engines in float16, and the layout of tensorrt_demos",
    "pillow": "HEIC, what OpenCV does not read, and all pictures where it is not installed",
    "pillow-heif": "HEIC",
    "prometheus-client": "mtcnn serve",
    "pyarrow": "files of Parquet",
    "python-multipart": "mtcnn serve and demo",
    "tensorflow": "mtcnn export",
    "tf2onnx": "mtcnn export",
    "ray": "mtcnn detect and align with --ray",
    "scipy": "following faces",
    "starlette": "mtcnn serve and demo",
    "tritonclient": "mtcnn.serving.Client",
    "uvicorn": "mtcnn serve and demo",
}
# Other packages that hold the same.
_INSTEAD = {
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "tensorflow": ("tensorflow-cpu",),
}


def collect_environment() -> dict[str, dict[str, Any]]:
    return {
        "trt-mtcnn": _versions(),
        "CPU": _cpu(),
        "GPU": _gpu(),
        "engines": _all_engines(),
        "packages": {name: _package(name, purpose) for name, purpose in _PACKAGES.items()},
    }


def _versions() -> dict[str, Any]:
    import mtcnn

    return {
        "version": mtcnn.__version__,
        "Python": platform.python_version(),
        "NumPy": version("numpy"),
        "system": f"{platform.system()} {platform.machine()}",
        "pictures": _or_missing(lambda: "read and drawn by {} {}".format(*picture_library())),
    }


def _cpu() -> dict[str, Any]:
    return {
        "model": cpu_model(),
        "usable cores": pytrt.usable_cores(),
        "kernels": pytrt.isa(),
        "bf16 kernels": _bf16_kernels(),
        "OpenVINO": _or_missing(lambda: pytrt.CpuDevice(openvino_library(), native=False).runtime.partition(" ")[2]),
    }


def _gpu() -> dict[str, Any]:
    problem, driver, gpus = pytrt.cuda_driver()
    missing = {"missing": problem}
    facts: dict[str, Any] = {
        "NVIDIA driver": missing if problem else f"for CUDA {driver // 1000}.{driver % 1000 // 10}",
        "GPUs": [f"{name}, compute capability {major}.{minor}" for name, (major, minor), _ in gpus] or missing,
        "CUDA kernels": "yes, the networks' too"
        if pytrt.has_cuda()
        else {"missing": "this build has none: make cuda in a checkout, or a wheel that has them"},
        "TensorRT headers": pytrt.tensorrt_versions() or {"missing": "build with them: make tensorrt-headers"},
    }
    for flavour in TENSORRT_FLAVOURS:
        facts[flavour] = _or_missing(lambda flavour=flavour: tensorrt_version(flavour))  # type: ignore[misc]
    facts["can detect"] = _or_missing(lambda: f"yes, with {gpu_flavour()}")
    return facts


def _bf16_kernels() -> str:
    try:
        kernels, reason = pytrt.bf16_kernels()
        if reason:
            return f"those of fp32 ({kernels}): {reason}"
        ratio = times_faster() or 0
    except MtcnnError as error:
        return f"none: {error}"
    warning = "" if ratio >= 1 else "; WARNING: fp32 is faster"
    return f"{kernels}, {ratio:.2f} times as fast as fp32{warning}"


def _all_engines() -> dict[str, Any]:
    """Those of fp32 whether they are there or not, those of other precisions where they are."""
    facts = {}
    for flavour in FLAVOURS:
        for precision in PRECISIONS:
            folder = engines_folder(flavour, precision=precision)
            if precision == "fp32" or folder.exists():
                facts[folder.name] = _engines(folder, flavour, precision)
    return facts


def _engines(folder: Path, flavour: str, precision: str) -> Any:
    def problem() -> str | None:
        found = (
            engine_problem(folder / f"{network}.engine", flavour, network, precision=precision) for network in NETWORKS
        )
        return next((text for text in found if text), None)

    try:
        why = problem()
    except MtcnnError as error:
        why = str(error)
    asked = "" if precision == "fp32" else f" --precision {precision}"
    if why:
        return {"missing": f"{why}: mtcnn engines --flavour {flavour}{asked}"}
    return f"ready in {folder}, {_landmark_net(folder / f'{LNET.name}.engine', flavour, precision)}"


def _landmark_net(path: Path, flavour: str, precision: str) -> str:
    if not path.exists():
        return "without L-Net, which is optional"
    problem = engine_problem(path, flavour, LNET.name, precision=precision)
    return f"without L-Net: {problem}" if problem else "with L-Net"


def _package(name: str, purpose: str) -> Any:
    for package in (name, *_INSTEAD.get(name, ())):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    if name.startswith("opencv") and not has_opencv_wheels():
        return {"missing": f"for {purpose}: it has no wheels for this Python or system"}
    return {"missing": f"for {purpose}: pip install {name}"}


def _or_missing(find: Callable[[], str]) -> Any:
    try:
        return find()
    except MtcnnError as error:
        return {"missing": str(error)}
