"""One part of the GPU check in a process of its own: measure.py PART RESULT.json [ARGUMENTS]; see check.py."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytrt
from mtcnn import DeviceError, EngineError, create_engines
from mtcnn.engines.settings import TENSORRT_FLAVOURS
from mtcnn.engines.tensorrt import tensorrt
from tests.gpu import frames
from tests.gpu.machine import (
    DATA,
    GPU_FLAVOURS,
    conversion_problem,
    flavour_problem,
    make_detector,
    settings,
    variants,
    why_not,
    work_folder,
)


def machine() -> dict[str, Any]:
    problem, driver_cuda, gpus = pytrt.cuda_driver()
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    libraries = {}
    for flavour in TENSORRT_FLAVOURS:
        try:
            libraries[flavour] = tensorrt(flavour).version
        except DeviceError as error:
            libraries[flavour] = str(error)
    return {
        "problem": why_not(),
        "driver_problem": problem,
        "gpus": [{"name": n, "compute_capability": list(c), "memory_mib": m >> 20} for n, c, m in gpus],
        "driver": nvidia_smi("driver_version"),
        "clocks": nvidia_smi("clocks.sm,clocks.mem,clocks.max.sm,power.limit"),
        "cuda_of_driver": f"{driver_cuda // 1000}.{driver_cuda % 1000 // 10}",
        "tensorrt": libraries,
        "tensorrt_headers": pytrt.tensorrt_versions(),
        "left_out": {flavour: why for flavour in GPU_FLAVOURS if (why := flavour_problem(flavour))},
        "float16": conversion_problem("tensorrt") or "yes",
        "variants": [list(variant) for variant in variants()],
        "cpu": names[0].partition(":")[2].strip() if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in ("numpy", "openvino", "onnxruntime", "cupy", "torch")},
        "labelled_data": DATA.exists(),  # without it photos and wider100 are left out of the tests
    }


def nvidia_smi(query: str) -> str | None:
    try:
        command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def smoke() -> dict[str, Any]:
    """One detection of one face, by the first flavour and precision."""
    began = time.perf_counter()
    with make_detector(variants()[0]) as detector:
        ready = time.perf_counter()
        dets, _ = detector.detect(frames.astronaut())
        found = {
            "runtime": detector.runtime,
            "seconds": [round(ready - began, 2), round(time.perf_counter() - ready, 2)],
            "faces": dets.round(3).tolist(),
        }
    if len(dets) != 1:
        found["failed"] = {"faces": f"{len(dets)} in a picture of one"}
    return found


def detect() -> dict[str, Any]:
    """A few frames and no more, for profilers."""
    with make_detector(variants()[0]) as detector:
        for _ in range(3):
            dets, _ = detector.detect(frames.frame_1080p(), 40, preset="fast")
    return {"faces": len(dets)}


def build_engines(flavour: str, precision: str) -> dict[str, Any]:
    """Builds all three; what TensorRT's timing cache knows from earlier builds makes it quicker."""
    folder = work_folder() / f"{flavour}-{precision}"
    known = work_folder() / "timing.cache"
    cached = known.stat().st_size if known.exists() else 0
    began = time.perf_counter()
    marks: list[tuple[str, float]] = []

    def note(what: str, done: int, due: int) -> None:
        if what.endswith(": building") or what == "done":
            marks.append((what.partition(":")[0], time.perf_counter() - began))

    paths = create_engines(folder, precision=precision, progress=note, flavour=flavour, settings=settings())
    ends = [at for _, at in marks[1:]]
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "timing_cache_bytes_before": cached,
        "networks": {name: round(end - at, 2) for (name, at), end in zip(marks, ends, strict=False)},
        "bytes": {path.name: path.stat().st_size for path in paths},
    }


# Where each part is; imported when it is wanted, for one may need what another does without.
PARTS: dict[str, str | Callable[..., dict[str, Any]]] = {
    "machine": machine,
    "smoke": smoke,
    "detect": detect,
    "engines": build_engines,
    "kernels": "benchmarks.gpu.kernels",
    "speed": "benchmarks.gpu.speed",
    "torch": "benchmarks.gpu.torch_networks",
    "endurance": "benchmarks.gpu.endurance",
}


def main() -> int:
    part, path, *arguments = sys.argv[1:]
    if part == "tests":
        from benchmarks.gpu.run_tests import run_tests

        return run_tests(Path(path), *arguments)
    measure = PARTS[part]
    if isinstance(measure, str):
        measure = getattr(import_module(measure), "measure" if part == "torch" else part)
    try:
        result = measure(*arguments)
    except (DeviceError, EngineError) as error:
        print(error)
        return 1
    Path(path).write_text(json.dumps(result))
    for name, why in result.get("failed", {}).items():
        print(f"{name}: {why}")
    return 1 if result.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
