"""Which runtime libraries this machine has, and where."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mtcnn.errors import DeviceError
from mtcnn.runtime import variables
from mtcnn.runtime.install import install_command
from pytrt.versions import TENSORRT_MAJORS

__all__ = ["TensorRtLibraries", "openvino_library", "tensorrt_libraries"]

# Flavour: (names of runtime and parser up to the major version, major versions newest first, package, how to get it)
_TENSORRT = {
    "tensorrt": (
        ("libnvinfer.so", "libnvonnxparser.so"),
        TENSORRT_MAJORS,
        "tensorrt_libs",
        "pip install tensorrt-cu13, or NVIDIA's apt packages libnvinfer10 and libnvonnxparsers10",
    ),
    "tensorrt-rtx": (
        ("libtensorrt_rtx.so", "libtensorrt_onnxparser_rtx.so"),
        (1,),
        "tensorrt_rtx_libs",
        None,  # optional dependencies of ours
    ),
}
_OPENVINO = {"win32": "openvino_c.dll", "darwin": "libopenvino_c*.dylib"}  # else as on Linux
_SYSTEM_FOLDERS = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/local/tensorrt*/lib",
    "usr/local/TensorRT*/lib",
    "opt/tensorrt*/lib",
    "opt/TensorRT*/lib",
    "usr/local/lib",
)


class TensorRtLibraries(NamedTuple):
    """The two libraries of one TensorRT."""

    runtime: str
    parser: str


def openvino_library() -> str:
    """The path of OpenVINO's C library: $TRT_MTCNN_OPENVINO, else in the `openvino` package.

    The package itself is not imported: that would cost more than a detection.

    Raises:
        DeviceError: there is none.
    """
    if chosen := variables.value_of(variables.OPENVINO):
        if Path(chosen).is_file():
            return chosen
        raise DeviceError(f"{variables.OPENVINO} names no file: {chosen}")
    for folder in _package_folders("openvino"):
        # The plain name on some platforms, else the one that carries the version.
        name = _OPENVINO.get(sys.platform, "libopenvino_c.so*")
        found = sorted(folder.glob(f"libs/{name}")) or sorted(folder.glob(name))
        if found:
            return str(found[0])
    raise DeviceError(f"OpenVINO is not installed: {install_command('openvino')}")


def tensorrt_libraries(flavour: str = "tensorrt") -> TensorRtLibraries:
    """The libraries of "tensorrt" or "tensorrt-rtx".

    Looked for in $TRT_MTCNN_TENSORRT (a folder), in NVIDIA's packages of this Python environment, in
    $LD_LIBRARY_PATH and in the system's folders; the newest version first.

    Raises:
        DeviceError: there are none.
    """
    names, majors, package, how = _TENSORRT[flavour]
    folders = list(_tensorrt_folders(package))
    lone = None
    for major in majors:
        for folder in folders:
            runtime, parser = (folder / f"{name}.{major}" for name in names)
            if runtime.exists() and parser.exists():
                return TensorRtLibraries(str(runtime), str(parser))
            if runtime.exists():
                lone = f"{runtime} is there, but its ONNX parser {parser.name} is not: "
    missing = lone or f"{names[0]}.{'|'.join(map(str, majors))} was not found: "
    how = how or install_command(flavour)
    raise DeviceError(f"{missing}{how}; or name their folder in {variables.TENSORRT}")


def _tensorrt_folders(package: str) -> Iterator[Path]:
    if chosen := variables.value_of(variables.TENSORRT):
        yield Path(chosen)
        return
    yield from _package_folders(package)
    for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        if folder:
            yield Path(folder)
    for pattern in _SYSTEM_FOLDERS:
        yield from sorted(Path("/").glob(pattern), key=_version_in_name, reverse=True)


def _package_folders(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder)


def _version_in_name(folder: Path) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", str(folder))]
