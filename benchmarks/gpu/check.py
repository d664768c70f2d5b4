#!/usr/bin/env python3
"""Builds, tests and times trt-mtcnn on this machine's GPU, and writes one JSON report: make gpu-check.

Needs no network, no pytest, and of Python packages NumPy, OpenCV, Cython and setuptools; float16 engines need onnx and
onnxconverter-common, too. Every part runs in a process of its own: one that fails, hangs or crashes is recorded, and
the rest goes on. --emulate runs the parts on pytrt.testing.EmulatedGpu: that tests this script on machines without a
GPU.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MEASURE = Path(__file__).with_name("measure.py")
TEST_MODULES = ("tests.gpu.test_detect", "tests.gpu.test_engines", "tests.gpu.test_threads")
# Each kernel, in calls that are few: a sanitizer makes them many times slower.
SANITIZED = ("tests.gpu.test_detect.TestExpected", "tests.gpu.test_detect.TestItself", "tests.gpu.test_threads")
NOTE = "note: "  # what tests say begins with it
LIMIT = 540  # seconds for everything
# Seconds that a part may take.
LIMITS = {"build": 300, "machine": 30, "engines": 200, "speed": 90, "endurance": 120, "tests": 200, "sanitize": 200}
PARTS = ("engines", "speed", "endurance", "tests", "sanitize")
TOOLS = ("memcheck", "racecheck", "initcheck")  # of compute-sanitizer
FAULTS_FOUND = 99  # its exit status then


class Check:
    """The report, and the time that is left for it."""

    def __init__(self, path: Path, limit: float, emulated: bool) -> None:
        self._path = path
        self._ends = time.monotonic() + limit
        self._environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._environment.setdefault("TRT_MTCNN_GPU_ENGINES", str(ROOT / "build" / "gpu" / "engines"))
        self._environment.setdefault("TRT_MTCNN_ENGINES", str(ROOT / "build" / "gpu" / "default"))
        if emulated:
            self._environment["TRT_MTCNN_EMULATE"] = "1"
        self.report: dict[str, Any] = {
            "emulated": emulated,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "commit": commit(),
            "failed": [],
        }

    def run(self, name: str, command: list[str], limit: float, variables: dict[str, str] | None = None) -> str:
        """Runs a part and returns its output; a failure goes into the report."""
        limit = min(limit, self._ends - time.monotonic())
        if limit < 5:
            self.fail(name, "there was no time left")
            return ""
        print(f"== {name}", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            try:
                code: int | str = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=self._environment | (variables or {}),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=limit,
                ).returncode
            except subprocess.TimeoutExpired:
                code = f"stopped after {limit:.0f} s"
            except OSError as error:
                code = str(error)
            output.seek(0)
            said = output.read()
        self.report.setdefault("seconds", {})[name] = round(time.monotonic() - began, 1)
        if code != 0:
            print(said[-3000:], flush=True)
            self.fail(name, f"{'ended with ' if isinstance(code, int) else ''}{code}: {said[-1500:].strip()}")
        return said

    def measure(self, part: str, *arguments: str) -> dict[str, Any] | None:
        """A part of measure.py; what it measured is in the file that it is told to write, however it ended."""
        name = " ".join((part, *arguments))
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder, "result.json")
            said = self.run(name, [sys.executable, str(MEASURE), part, str(result), *arguments], LIMITS[part])
            try:
                found: dict[str, Any] = json.loads(result.read_text())
            except (OSError, ValueError):
                return None
        if notes := [line[line.index(NOTE) :] for line in said.splitlines() if NOTE in line]:
            found["notes"] = notes
        return found

    def sanitize(self, tool: str, sanitizer: str) -> dict[str, Any]:
        """The tests under a tool of compute-sanitizer, cut short and in float32; only our own kernels are watched."""
        command = [sanitizer, "--tool", tool, "--kernel-name", "kns=trtmtcnn", "--report-api-errors", "no"]
        command += ["--error-exitcode", str(FAULTS_FOUND), "--print-limit", "20"]
        command += [sys.executable, "-m", "unittest", *SANITIZED]
        quick = {"TRT_MTCNN_QUICK": "1", "TRT_MTCNN_PRECISIONS": "fp32"}
        said = self.run(f"sanitize {tool}", command, LIMITS["sanitize"], quick)
        summary = re.findall(r"=+ ((?:ERROR|RACECHECK) SUMMARY: .*)", said)
        return {
            "summary": summary[-1] if summary else None,
            "tests": (re.findall(r"^Ran .*", said, re.M) or [None])[-1],
        }

    def fail(self, name: str, why: str) -> None:
        print(f"   {name} failed", flush=True)
        self.report["failed"].append({"part": name, "why": why})

    def save(self) -> None:
        """After every part, should the machine go away."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.report, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--emulate", action="store_true", help="run on the CPU what can be, to test this script")
    parser.add_argument("--no-build", action="store_true", help="take the native module as it is")
    parser.add_argument(
        "--parts",
        default=",".join(PARTS[:-1]),
        metavar="PART,...",
        help="what to do after the build (default %(default)s); there is also " + PARTS[-1],
    )
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="SECONDS", help="for all (default %(default)s)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default $OUT or benchmarks/results/, by GPU and date"
    )
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: there is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")

    problem = None if options.emulate else driver_problem()
    if problem:
        print(f"no GPU to check: {problem}", file=sys.stderr)
        return 1
    output = options.output or default_output(options.emulate)
    check = Check(output, options.limit, options.emulate)
    if not options.no_build:
        check.run("build", [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], LIMITS["build"])
        check.save()
    machine = check.measure("machine")
    if machine is None:  # the native module does not load
        check.save()
        print(f"written: {output}")
        return 1
    check.report["machine"] = machine
    if machine["problem"]:
        print(f"the GPU cannot be used: {machine['problem']}", file=sys.stderr)
        check.fail("machine", machine["problem"])
        check.save()
        return 1
    check.save()
    for part in ("engines", "speed", "endurance"):
        if part not in parts:
            continue
        check.report[part] = {}
        for variant in machine["variants"]:
            if found := check.measure(part, *variant):
                check.report[part][" ".join(variant)] = found
            check.save()
    if "tests" in parts:
        check.report["tests"] = {}
        for module in TEST_MODULES:
            if found := check.measure("tests", module):
                check.report["tests"][module] = found
            check.save()
    if "sanitize" in parts:
        check.report["sanitize"] = {}
        sanitizer = find_sanitizer()
        for tool in TOOLS if sanitizer else ():
            check.report["sanitize"][tool] = check.sanitize(tool, str(sanitizer))
            check.save()
        if not sanitizer:
            check.report["sanitize"]["left out"] = "compute-sanitizer is neither in CUDA_HOME nor in the PATH"
            check.save()
    say(check.report)
    print(f"written: {output}")
    return 1 if check.report["failed"] else 0


def driver_problem() -> str | None:
    """Why CUDA's driver finds no GPU. The native module, which could say more, may not be built yet."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return (
            "there is no NVIDIA driver on this machine (libcuda.so.1 is missing); --emulate tests this script without"
        )
    status, count = driver.cuInit(0), ctypes.c_int()
    if status != 0:
        return f"the NVIDIA driver does not start (CUDA error {status}): check nvidia-smi"
    driver.cuDeviceGetCount(ctypes.byref(count))
    return None if count.value else "the NVIDIA driver sees no GPU: check nvidia-smi and CUDA_VISIBLE_DEVICES"


def find_sanitizer() -> str | None:
    """CUDA's memory checker: in $CUDA_HOME, /usr/local/cuda or the PATH."""
    for root in (os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"):
        if root and (found := Path(root, "bin", "compute-sanitizer")).is_file():
            return str(found)
    return shutil.which("compute-sanitizer")


def commit() -> str | None:
    """Of the checkout, "+" where it has changes; None where git or the history is missing."""
    try:
        command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None


def default_output(emulated: bool) -> Path:
    """$OUT, else benchmarks/results/; an emulated report is no result."""
    name = f"gpu-check-{gpu_name() if not emulated else 'emulated'}-{datetime.now(timezone.utc):%Y-%m-%d}.json"
    if out := os.environ.get("OUT"):
        return Path(out) / name
    return ROOT / ("build/gpu" if emulated else "benchmarks/results") / name


def gpu_name() -> str:
    driver = ctypes.CDLL("libcuda.so.1")
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    driver.cuInit(0)
    if driver.cuDeviceGet(ctypes.byref(device), 0) or driver.cuDeviceGetName(name, len(name), device):
        return "gpu"
    return re.sub(r"[^a-z0-9]+", "-", name.value.decode(errors="replace").lower()).strip("-")


def say(report: dict[str, Any]) -> None:
    """The report's main figures."""
    for variant, found in report.get("engines", {}).items():
        print(f"{variant}: engines built in {found['seconds']:.1f} s")
    for variant, found in report.get("speed", {}).items():
        for name, times in found.get("latency", {}).items():
            print(f"{variant}: {name}: median {times['median_ms']:.2f} ms, p95 {times['p95_ms']:.2f} ms")
        for name, rate in found.get("throughput", {}).items():
            print(f"{variant}: {name}: {rate:.0f} frames/s")
        for name, stages in found.get("stages", {}).items():
            least = found["floors"].get(name, {})
            times = (f"{stage} {ms:.3f} ms (floor {least.get(stage, 0):.3f})" for stage, ms in stages.items())
            print(f"{variant}: {name}: " + ", ".join(times))
    for variant, found in report.get("endurance", {}).items():
        print(
            f"{variant}: {found['frames']} frames of mixed sizes, {found['threads']} threads: "
            f"{found['seconds']:.1f} s, memory {found['grown_mib']:+.1f} MiB"
        )
    for module, found in report.get("tests", {}).items():
        counts = {status: len(names) for status, names in found["by_status"].items()}
        print(f"{module}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    for tool, found in report.get("sanitize", {}).items():
        print(f"{tool}: {found['summary'] if isinstance(found, dict) else found}")
    for failure in report["failed"]:
        print(f"FAILED {failure['part']}: {failure['why'][-300:]}")


if __name__ == "__main__":
    sys.exit(main())
