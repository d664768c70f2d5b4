#!/usr/bin/env python3
"""Builds, tests and times trt-mtcnn on this machine's GPU, and writes one JSON report: make gpu-check.

Needs no network, no TensorRT, no pytest, and of Python packages NumPy, OpenCV, Cython and setuptools. Every part runs
in a process of its own: one that fails or crashes is recorded, and the rest goes on. After one that hung the GPU is
tried again, and where it does not answer the run ends. --emulate runs the parts on pytrt.testing.EmulatedGpu: that
tests this script on machines without a GPU. README.md beside this says which run does what.
"""

from __future__ import annotations

import argparse
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.gpu.counters import read_counters, slowest_kernels
from benchmarks.gpu.processes import Watchdog, run
from benchmarks.gpu.summary import say

ROOT = Path(__file__).resolve().parents[2]
MEASURE = Path(__file__).with_name("measure.py")
TEST_MODULES = ("tests.gpu.test_detect", "tests.gpu.test_engines", "tests.gpu.test_threads")
# Each kernel, in calls that are few: a sanitizer makes them many times slower.
SANITIZED = (
    "tests.gpu.test_detect.TestExpected",
    "tests.gpu.test_detect.TestItself.test_again_and_again",
    "tests.gpu.test_detect.TestItself.test_batches",
    "tests.gpu.test_threads.TestThreads",
)
NOTE = "note: "  # what tests say begins with it
LIMIT = 240.0  # seconds for all but the build
# Seconds that a part may take.
LIMITS = {
    "build": 300,
    "driver": 30,
    "smoke": 30,
    "machine": 30,
    "engines": 200,
    "tests": 120,
    "sanitize": 90,
    "kernels": 60,
    "speed": 90,
    "torch": 60,
    "counters": 90,
    "endurance": 120,
}
PARTS = ("engines", "tests", "kernels", "speed", "torch", "sanitize", "counters", "endurance")
RUNS = {
    "1": ("engines", "tests", "kernels", "sanitize"),
    "2": ("engines", "kernels", "speed", "torch", "counters", "endurance"),
}
DEFAULT = ("engines", "tests", "kernels", "speed", "torch", "sanitize")
# Parts that have the networks as kernels where the GPU is emulated; the others would take too long.
WITH_KERNELS = ("smoke", "kernels")
EMULATED_KERNELS = (("cuda", "fp32"), ("cuda", "fp16"))
FAULTS_FOUND = 99  # exit status of compute-sanitizer then
COUNTED = 3  # kernels whose counters are read


class Ended(Exception):
    """The run cannot go on."""


class Check:
    """The report, and the time that is left for it."""

    def __init__(self, path: Path, limit: float, build_limit: float, emulated: bool) -> None:
        self._path = path
        self._limit = limit
        self._ends = time.monotonic() + limit + build_limit
        self._environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._environment.setdefault("TRT_MTCNN_GPU_ENGINES", str(ROOT / "build" / "gpu" / "engines"))
        self._environment.setdefault("TRT_MTCNN_ENGINES", str(ROOT / "build" / "gpu" / "default"))
        if emulated:
            self._environment["TRT_MTCNN_EMULATE"] = "1"
        self._emulated = emulated
        self._hung = False
        self.report: dict[str, Any] = {
            "emulated": emulated,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "commit": commit(),
            "device": None,
            "failed": [],
        }
        self._watchdog = Watchdog(self._ends - time.monotonic() + 10, path)

    def close(self) -> None:
        self.save()
        self._watchdog.close()

    def start_clock(self) -> None:
        """The build is over: from now on the limit counts."""
        self._ends = min(self._ends, time.monotonic() + self._limit)

    def run(self, name: str, command: list[str], limit: float, variables: dict[str, str] | None = None) -> str:
        """Runs a part and returns its output; a failure goes into the report.

        Raises:
            Ended: it hung, and so does the GPU.
        """
        limit = min(limit, self._ends - time.monotonic())
        if limit < 5:
            self.fail(name, "there was no time left")
            return ""
        print(f"== {name}", flush=True)
        ended = run(command, limit, self._environment | (variables or {}), ROOT, self._watchdog)
        self.report.setdefault("seconds", {})[name] = round(ended.seconds, 1)
        if ended.problem:
            print(ended.output[-3000:], flush=True)
            self.fail(name, f"{ended.problem}: {ended.output[-1500:].strip()}")
        if not ended.gone:
            raise Ended(f"{name} cannot be ended")
        self._hung = self._hung or (ended.hung and name != "build")
        self.save()
        return ended.output

    def measure(self, part: str, *arguments: str, name: str | None = None) -> dict[str, Any] | None:
        """A part of measure.py; what it measured is in the file that it is told to write, however it ended."""
        name = name or " ".join((part, *arguments))
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder, "result.json")
            command = [sys.executable, str(MEASURE), part, str(result), *arguments]
            variables = {"TRT_MTCNN_EMULATE": "kernels"} if self._emulated and part in WITH_KERNELS else {}
            said = self.run(name, command, LIMITS[part], variables)
            try:
                found: dict[str, Any] = json.loads(result.read_text())
            except (OSError, ValueError):
                return None
            finally:
                self._try_gpu_again(name)
        if notes := [line[line.index(NOTE) :] for line in said.splitlines() if NOTE in line]:
            found["notes"] = notes
        return found

    def smoke(self) -> None:
        """One detection. Raises Ended where there is none; a wrong one is a failure like others."""
        found = self.measure("smoke")
        if found is None:
            raise Ended("the GPU does not detect")
        self.report["smoke"] = found

    def _try_gpu_again(self, name: str) -> None:
        if not self._hung:
            return
        self._hung = False
        if name == "smoke":
            raise Ended("the GPU hangs")
        self.smoke()

    def sanitize(self, tool: str, sanitizer: str) -> dict[str, Any]:
        """The tests under a tool of compute-sanitizer, cut short; only our own kernels are watched."""
        command = [sanitizer, "--tool", tool, "--kernel-name", "kns=trtmtcnn", "--report-api-errors", "no"]
        command += ["--error-exitcode", str(FAULTS_FOUND), "--print-limit", "20"]
        command += [sys.executable, "-m", "unittest", *SANITIZED]
        said = self.run(f"sanitize {tool}", command, LIMITS["sanitize"], {"TRT_MTCNN_QUICK": "1"})
        self._try_gpu_again(f"sanitize {tool}")
        summary = re.findall(r"=+ ((?:ERROR|RACECHECK) SUMMARY: .*)", said)
        found = {
            "summary": summary[-1] if summary else None,
            "tests": (re.findall(r"^Ran .*", said, re.M) or [None])[-1],
        }
        if "Device not supported" in said:  # in a virtual machine or container that hides the GPU's debugger
            found["left out"] = "compute-sanitizer does not support this device here"
        return found

    def count(self, kernel: str, profiler: str) -> dict[str, Any]:
        """What the GPU's counters say of a kernel, by Nsight Compute, which repeats it."""
        command = [
            profiler,
            "--csv",
            "--clock-control",
            "none",
            "--launch-count",
            "3",
            "--kernel-name-base",
            "demangled",
        ]
        command += ["--kernel-name", f"regex:[:<]{re.escape(kernel)}[,>]"]
        for section in ("SpeedOfLight", "LaunchStats", "Occupancy", "MemoryWorkloadAnalysis", "SchedulerStats"):
            command += ["--section", section]
        with tempfile.TemporaryDirectory() as folder:
            command += [sys.executable, str(MEASURE), "detect", str(Path(folder, "result.json"))]
            plain = {"TRT_MTCNN_CUDA_GRAPHS": "0"}  # kernels in graphs are not counted one by one
            said = self.run(f"counters {kernel}", command, LIMITS["counters"], plain)
        self._try_gpu_again(f"counters {kernel}")
        return read_counters(said)

    def fail(self, name: str, why: str) -> None:
        print(f"   {name} failed", flush=True)
        self.report["failed"].append({"part": name, "why": why})

    def save(self) -> None:
        """After every part, should the machine go away."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        other = self._path.with_suffix(".part")
        other.write_text(json.dumps(self.report, indent=1) + "\n")
        os.replace(other, self._path)


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        device: dict[str, Any] = {"problem": None, "gpu": "emulated"} if options.emulate else ask_driver(Path(folder))
    if device["problem"]:
        print(f"no GPU to check: {device['problem']}", file=sys.stderr)
        return 1
    output = options.output or default_output(device["gpu"], options.run, options.emulate)
    check = Check(output, options.limit, 0 if options.no_build else options.build_limit, options.emulate)
    check.report["device"] = device
    try:
        do(check, options, device)
    except Ended as end:
        check.fail("run", f"ended early: {end}")
    finally:
        check.close()
    say(check.report)
    print(f"written: {output}")
    return 1 if check.report["failed"] else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--emulate", action="store_true", help="run on the CPU what can be, to test this script")
    parser.add_argument("--no-build", action="store_true", help="take the native module as it is")
    parser.add_argument(
        "--parts",
        metavar="PART,...",
        help=f"what to do after the build (default {','.join(DEFAULT)}); there are {', '.join(PARTS)}",
    )
    parser.add_argument("--run", choices=sorted(RUNS), help="the parts of the first or the second run of README.md")
    parser.add_argument(
        "--limit", type=float, default=LIMIT, metavar="SECONDS", help="for all but the build (default %(default)s)"
    )
    parser.add_argument(
        "--build-limit", type=float, default=LIMITS["build"], metavar="SECONDS", help="default %(default)s"
    )
    parser.add_argument(
        "--kernels", default="", metavar="NAME,...", help="whose counters to read; default: the slowest of the report"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default $OUT or benchmarks/results/, by GPU and date"
    )
    options = parser.parse_args()
    if options.run and options.parts:
        parser.error("--run and --parts both say what to do: give one")
    options.parts = options.parts.split(",") if options.parts else list(RUNS.get(options.run, DEFAULT))
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"--parts: there is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


def do(check: Check, options: argparse.Namespace, device: dict[str, Any]) -> None:
    """The parts, in their order."""
    report = check.report
    if not options.no_build:
        # For this GPU alone: the others' code would take minutes.
        own = "{compute_capability_major}{compute_capability_minor}".format_map(device) if not options.emulate else ""
        target = {"TRT_MTCNN_CUDA_TARGETS": own} if own and "TRT_MTCNN_CUDA_TARGETS" not in os.environ else {}
        check.run("build", [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], options.build_limit, target)
        if report["failed"]:
            raise Ended("the build failed")
    check.start_clock()
    machine = check.measure("machine")
    if machine is None:
        raise Ended("the native module does not load")
    report["machine"] = machine
    if machine["problem"]:
        raise Ended(f"the GPU cannot be used: {machine['problem']}")
    check.smoke()
    variants = machine["variants"]
    for part in options.parts:
        found = report[part] = {}
        if part in ("engines", "kernels", "speed", "endurance"):
            for variant in EMULATED_KERNELS if options.emulate and part in WITH_KERNELS else variants:
                if measured := check.measure(part, *variant):
                    found[" ".join(variant)] = measured
        elif part == "tests":
            for module in TEST_MODULES:
                if measured := check.measure(part, module):
                    found[module] = measured
        elif part == "torch":
            found |= check.measure(part) or {}
        elif part == "sanitize":
            sanitize(check)
        else:
            count_kernels(check, options.kernels)
        check.save()


def sanitize(check: Check) -> None:
    found = check.report["sanitize"]
    sanitizer = find_tool("compute-sanitizer")
    for tool in sanitizer_tools() if sanitizer else ():
        found[tool] = check.sanitize(tool, str(sanitizer))
    if not sanitizer:
        found["left out"] = "compute-sanitizer is neither in CUDA_HOME nor in the PATH"


def sanitizer_tools() -> tuple[str, ...]:
    """racecheck watches shared memory alone, so it is for builds with a kernel that has some."""
    log = ROOT / "build" / "ptxas.log"
    shared = log.is_file() and re.search(r"[1-9]\d* bytes smem", log.read_text(errors="replace"))
    return ("memcheck", "initcheck", "racecheck") if shared else ("memcheck", "initcheck")


def count_kernels(check: Check, names: str) -> None:
    found = check.report["counters"]
    profiler = find_tool("ncu")
    if not profiler:
        found["left out"] = "Nsight Compute (ncu) is neither in CUDA_HOME nor in the PATH"
        return
    chosen = names.split(",") if names else slowest_kernels(check.report.get("kernels", {}), COUNTED)
    if not chosen:
        found["left out"] = 'no kernel was timed: do the part "kernels", too, or name some with --kernels'
    for kernel in chosen:
        found[kernel] = check.count(kernel, profiler)


def ask_driver(folder: Path) -> dict[str, Any]:
    """What driver.py finds; the native module, which could say more, may not be built yet."""
    result = folder / "driver.json"
    command = [sys.executable, str(Path(__file__).with_name("driver.py")), str(result)]
    ended = run(command, LIMITS["driver"], dict(os.environ), ROOT)
    try:
        found: dict[str, Any] = json.loads(result.read_text())
    except (OSError, ValueError):
        return {"problem": f"the NVIDIA driver does not answer: {ended.problem} {ended.output[-300:]}".strip()}
    return found


def find_tool(name: str) -> str | None:
    """One of CUDA's: in $CUDA_HOME, /usr/local/cuda or the PATH."""
    for root in (os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"):
        if root and (found := Path(root, "bin", name)).is_file():
            return str(found)
    return shutil.which(name)


def commit() -> str | None:
    """Of the checkout, "+" where it has changes, or of what the kit was made of; None where neither is known."""
    if (kept := ROOT / "COMMIT").is_file():
        return kept.read_text().strip()
    try:
        command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None


def default_output(gpu: str, which: str | None, emulated: bool) -> Path:
    """$OUT, else benchmarks/results/; an emulated report is no result."""
    run = f"-run{which}" if which else ""
    short = re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")
    name = f"gpu-check-{short}-{datetime.now(timezone.utc):%Y-%m-%d}{run}.json"
    if out := os.environ.get("OUT"):
        return Path(out) / name
    return ROOT / ("build/gpu" if emulated else "benchmarks/results") / name


if __name__ == "__main__":
    sys.exit(main())
