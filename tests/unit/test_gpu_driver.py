"""What the GPU check asks NVIDIA's driver by itself, of libraries that stand in for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.native import compile_native


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("driver")
    library = compile_native("fake_driver.cpp", folder / "libcuda.so.1", "-shared", "-fPIC")
    (folder / "libnvidia-ml.so.1").symlink_to(library)
    return folder


def python(libraries: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": str(ROOT)} | variables
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100)


def describe(libraries: Path, folder: Path, **variables: str) -> dict[str, object]:
    result = folder / "result.json"
    ended = python(libraries, str(ROOT / "benchmarks" / "gpu" / "driver.py"), str(result), **variables)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, object] = json.loads(result.read_text())
    return found


def test_the_gpu_is_described(libraries: Path, tmp_path: Path) -> None:
    assert describe(libraries, tmp_path) == {
        "problem": None,
        "gpu": "NVIDIA Fake (8 GB)",
        "gpus": 1,
        "memory_mib": 8192,
        "multiprocessors": 132,
        "clock_khz": 1980000,
        "memory_clock_khz": 3201000,
        "memory_bus_bits": 6144,
        "l2_bytes": 62914560,
        "compute_capability_major": 9,
        "compute_capability_minor": 0,
        "cuda_of_driver": "13.1",
        "driver": "580.1",
        "graphics_mhz": 1000,
        "most_graphics_mhz": 2000,
        "sm_mhz": 1001,
        "most_sm_mhz": 2001,
        "memory_mhz": 1002,
        "most_memory_mhz": 2002,
        "power_w": 345.678,
    }


@pytest.mark.parametrize(
    ("failing", "problem"),
    [
        ("cuInit", "the NVIDIA driver cannot start (CUDA error 999): check nvidia-smi"),
        ("cuDeviceGet", "the NVIDIA driver cannot open the first GPU (CUDA error 999): check nvidia-smi"),
        ("no GPU", "the NVIDIA driver sees no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_driver_that_is_not_well(failing: str, problem: str, libraries: Path, tmp_path: Path) -> None:
    assert describe(libraries, tmp_path, FAKE_DRIVER=failing) == {"problem": problem}


def test_without_nvml_the_clocks_are_left_out(libraries: Path, tmp_path: Path) -> None:
    found = describe(libraries, tmp_path, FAKE_DRIVER="nvmlInit_v2")
    assert found["gpu"] == "NVIDIA Fake (8 GB)" and "sm_mhz" not in found


USES = """
import time
import numpy as np
from benchmarks.gpu.clocks import Clocks
from benchmarks.gpu.floors import measure_rates
from benchmarks.gpu.kernels import this_gpu
from benchmarks.gpu.speed import places
from tests.gpu.machine import cuda_attribute, free_gpu_memory
from tests.support.dlpack_array import CUDA

with Clocks() as clocks:
    time.sleep(0.3)
assert set(clocks.seen) == {"sm_mhz", "memory_mhz", "watts"}, clocks.seen
assert clocks.seen["sm_mhz"] == [1001, 1001, 1001] and clocks.seen["watts"][1] == 345.678

assert free_gpu_memory() == 7 << 30 and cuda_attribute(16) == 132
rates = measure_rates()
assert rates.upload > 1e8 and rates.memory > 1e8
gpu = this_gpu()
assert (gpu.multiprocessors, gpu.ghz, gpu.lanes, gpu.warps) == (132, 1.98, 128, 64)

img = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
with places(img) as found:
    assert list(found) == ["host", "pinned", "device"]
    assert np.array_equal(found["pinned"], img) and not np.shares_memory(found["pinned"], img)
    assert found["device"].__dlpack_device__() == (CUDA, 0)
"""


def test_memory_rates_and_clocks(libraries: Path) -> None:
    """Each with a context of its own, which the driver wants."""
    pytest.importorskip("cv2")
    ended = python(libraries, "-c", USES)
    assert ended.returncode == 0, ended.stderr
