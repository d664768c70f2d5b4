"""TensorRT on a machine where CUDA does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pytrt
from tests.conftest import ROOT
from tests.support.native import compile_native

sys.path.insert(0, str(ROOT / "tools"))
import find_sdks

MAJORS = [version.partition(".")[0] for version in pytrt.tensorrt_versions()]

ON_A_GPU = """
import sys, pytrt
try:
    pytrt.TensorRt(*sys.argv[1:]).build(b"a model", [], gpu=3)
except pytrt.DeviceError as error:
    print(error)
"""

PROGRAM = """
import sys, pytrt
library = pytrt.TensorRt(*sys.argv[1:])
for call in (lambda: library.describe(b"a plan"), lambda: library.build(b"a model", [])):
    try:
        call()
    except pytrt.DeviceError as error:
        print(error)
"""


def tensorrt_without_cuda(message: str, folder: Path) -> Path:
    headers = find_sdks.tensorrt_headers().get(int(MAJORS[-1]))
    if headers is None:
        pytest.skip("the headers that this build was made with are gone")
    return compile_native(
        "tensorrt_without_cuda.cpp",
        folder / f"libnvinfer.so.{MAJORS[-1]}",
        "-shared",
        "-fPIC",
        f'-DMESSAGE="{message}"',
        f"-isystem{headers.include}",
        f"-idirafter{ROOT / 'csrc' / 'tensorrt' / 'without_cuda'}",
    )


@pytest.mark.skipif(not MAJORS, reason="this build was made without TensorRT's headers: make tensorrt-headers")
@pytest.mark.parametrize(
    ("message", "mend"),
    [
        ("CUDA initialization failure with error: 35.", "install a newer driver"),
        ("CUDA initialization failure with error: 804.", ""),  # of which nothing is known
    ],
)
def test_a_pointer_to_nothing(message: str, mend: str, tmp_path: Path) -> None:
    """What the logger heard decides. In a process of its own, as it may be the last thing it does."""
    library = tensorrt_without_cuda(message, tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, library, library], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"TensorRT cannot start: {message}")
        assert mend in line


@pytest.mark.skipif(not MAJORS, reason="this build was made without TensorRT's headers: make tensorrt-headers")
def test_a_gpu_that_cannot_be_the_threads(tmp_path: Path) -> None:
    """What was not given to the thread is not taken from it."""
    library = tensorrt_without_cuda("nobody asks", tmp_path)
    compile_native("driver_without_contexts.cpp", tmp_path / "libcuda.so.1", "-shared", "-fPIC")
    ended = subprocess.run(
        [sys.executable, "-c", ON_A_GPU, library, library],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "GPU 3 cannot be used (CUDA error 201): check nvidia-smi\n"
