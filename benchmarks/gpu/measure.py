"""One part of the GPU check in a process of its own: measure.py PART RESULT.json [ARGUMENTS]; see check.py."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from unittest import mock

import numpy as np

import pytrt
from benchmarks.gpu.floors import Rates, floors, measure_rates
from benchmarks.onet_crops import onet_crops
from mtcnn import DeviceError, EngineError, TrtMtcnn, create_engines
from mtcnn.engines.settings import TENSORRT_FLAVOURS
from mtcnn.engines.tensorrt import tensorrt
from mtcnn.params import Preset, make_params
from mtcnn.profiling import STAGES
from tests.gpu import frames
from tests.gpu.machine import (
    DATA,
    EMULATED,
    PRECISIONS,
    Variant,
    can_convert,
    engines,
    free_gpu_memory,
    make_detector,
    settings,
    why_not,
    work_folder,
)

# Seconds and calls that a timing takes at most.
SECONDS, CALLS, WARM_UP = (0.5, 3, 1) if EMULATED else (3.0, 300, 20)
PRESETS: tuple[Preset, ...] = ("fast", "accurate", "port")
MINSIZE = 40
MOST_GROWTH = 64 << 20  # bytes: what the driver takes and gives by itself


def machine() -> dict[str, Any]:
    problem, driver_cuda, gpus = pytrt.cuda_driver()
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    libraries = {}
    for flavour in TENSORRT_FLAVOURS:
        try:
            libraries[flavour] = tensorrt(flavour).version
        except DeviceError as error:
            libraries[flavour] = str(error)
    variants = [("emulated", "fp32")] if EMULATED else []
    for flavour in TENSORRT_FLAVOURS:
        if not EMULATED and libraries[flavour][:1].isdigit():
            variants += [(flavour, precision) for precision in PRECISIONS if precision == "fp32" or can_convert()]
    return {
        "problem": why_not(),
        "driver_problem": problem,
        "gpus": [{"name": n, "compute_capability": list(c), "memory_mib": m >> 20} for n, c, m in gpus],
        "driver": nvidia_smi("driver_version"),
        "clocks": nvidia_smi("clocks.sm,clocks.mem,clocks.max.sm,power.limit"),
        "cuda_of_driver": f"{driver_cuda // 1000}.{driver_cuda % 1000 // 10}",
        "tensorrt": libraries,
        "tensorrt_headers": pytrt.tensorrt_versions(),
        "float16": "yes" if can_convert() else "no: onnx or onnxconverter-common is not installed",
        "variants": variants,
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


def build_engines(flavour: str, precision: str) -> dict[str, Any]:
    """Builds all three; what the timing cache knows from earlier builds makes it quicker."""
    folder = work_folder() / f"{flavour}-{precision}"
    if EMULATED:
        flavour = "cpu"
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


def speed(flavour: str, precision: str) -> dict[str, Any]:
    variant = Variant("cpu" if EMULATED else flavour, precision)
    if not EMULATED:
        engines(variant)  # so that memory for building is not counted
    before = 0 if EMULATED else free_gpu_memory()
    found: dict[str, Any] = {"latency": {}, "stages": {}, "floors": {}, "throughput": {}, "faces": {}, "failed": {}}
    rates = measure_rates()
    found["rates"] = {
        "upload_gb_s": rates.upload / 1e9,
        "memory_gb_s": rates.memory / 1e9,
        "gflop_s": rates.flops / 1e9,
    }
    frame = frames.frame_720p() if EMULATED else frames.frame_1080p()
    pictures = {"1280x720, 8 faces": frames.frame_720p()}
    if not EMULATED:
        pictures = {"1920x1080, 14 faces": frame} | pictures

    def try_to(kind: str, name: str, measure: Callable[[], Any]) -> None:
        """One figure, or why there is none: the others are measured all the same."""
        try:
            found[kind][name] = measure()
        except Exception as error:
            found["failed"][f"{kind}: {name}"] = f"{type(error).__name__}: {error}"

    with make_detector(variant) as detector:
        found["runtime"] = detector.runtime

        def detect(img: frames.Image, preset: Preset) -> Callable[[], Any]:
            return lambda: detector.detect(img, MINSIZE, preset=preset)

        def detect_batch(n: int) -> Callable[[], Any]:
            return lambda: detector.detect_batch([frame] * n, MINSIZE, preset="fast")

        def time_groups(n: int, group: int) -> float:
            """Frames a second where the detector takes `group` at a time."""
            with mock.patch("mtcnn.detector.GPU_BATCH_PIXELS", group * frame.shape[0] * frame.shape[1]):
                return round(1000 * n / time_calls(detect_batch(n), SECONDS / 3, 3)["median_ms"], 1)

        for name, img in pictures.items():
            try_to("faces", name, lambda: len(detector.detect(img, MINSIZE)[0]))  # noqa: B023
            for preset in PRESETS:
                try_to("latency", f"{name}, {preset}", lambda: time_calls(detect(img, preset)))  # noqa: B023
            for preset in ("fast", "accurate"):
                try_to("stages", f"{name}, {preset}", lambda: time_stages(detector, img, preset))  # noqa: B023
                try_to("floors", f"{name}, {preset}", lambda: least_times(detector, img, preset, rates, precision))  # noqa: B023
        size = "x".join(map(str, frame.shape[1::-1]))
        for n in (1, 8) if EMULATED else (1, 8, 32):
            rate = f"{size}, detect_batch of {n}"
            try_to("throughput", rate, lambda: round(1000 * n / time_calls(detect_batch(n))["median_ms"], 1))  # noqa: B023
        many, few = (2, 2) if EMULATED else (32, 8)
        for group in (1,) if EMULATED else (1, 2, 4, 16, 32):
            rate = f"{size}, detect_batch of {many}, {group} at a time"
            try_to("throughput", rate, lambda: time_groups(many, group))  # noqa: B023
        for n in (2,) if EMULATED else (2, 4):
            rate = f"{size}, {n} threads, each detect_batch of {few}"
            try_to("throughput", rate, lambda: round(few * threads_rate(detect_batch(few), n), 1))  # noqa: B023
        for n in (2,) if EMULATED else (2, 4, 8):
            rate = f"{size}, {n} threads"
            try_to("throughput", rate, lambda: round(threads_rate(detect(frame, "fast"), n), 1))  # noqa: B023
        if not EMULATED:
            # Of one detector that as many threads have used at once.
            found["gpu_memory_mib_after_8_threads"] = (before - free_gpu_memory()) >> 20
    return found


def time_calls(call: Callable[[], Any], seconds: float = SECONDS, warm_up: int = WARM_UP) -> dict[str, float]:
    for _ in range(warm_up):
        call()
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while len(times) < 2 or (len(times) < CALLS and time.perf_counter() < ends):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    percentiles = quantiles(times, n=20)
    return {
        "median_ms": round(median(times), 4),
        "p5_ms": round(percentiles[0], 4),
        "p95_ms": round(percentiles[-1], 4),
        "calls": len(times),
    }


def time_stages(detector: TrtMtcnn, img: frames.Image, preset: Preset) -> dict[str, float]:
    once = detector.profile(img, MINSIZE, preset=preset, repeats=WARM_UP).total_ms
    repeats = max(1, min(CALLS, int(1000 * SECONDS / once)))
    profile = detector.profile(img, MINSIZE, preset=preset, repeats=repeats)
    return {stage: round(getattr(profile, f"{stage}_ms"), 4) for stage in STAGES}


def least_times(
    detector: TrtMtcnn, img: frames.Image, preset: Preset, rates: Rates, precision: str
) -> dict[str, float]:
    """What time_stages() measures, at best."""
    profile = detector.profile(img, MINSIZE, preset=preset, repeats=1)
    crops = profile.rnet_boxes, onet_crops(profile, make_params(preset, {}))
    return floors(rates, img.shape[:2], profile.levels, crops, precision == "fp16")


def endurance(flavour: str, precision: str) -> dict[str, Any]:
    """Frames of mixed sizes from several threads; the memory afterwards beside what it was after the first of them."""
    variant = Variant("cpu" if EMULATED else flavour, precision)
    count, workers, smallest = (40, 2, 60) if EMULATED else (10_000, 8, 40)
    photo = frames.astronaut() if EMULATED else frames.frame_1080p()
    wrong: list[str] = []

    def memory() -> int:
        """Bytes in use, the GPU's or, emulated, the most that the process ever had."""
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if EMULATED else -free_gpu_memory()

    with make_detector(variant) as detector:

        def work(seed: int, calls: int, ready: threading.Barrier) -> None:
            rng = np.random.default_rng(seed)
            try:
                ready.wait()  # so that there are as many contexts as threads
                detector.detect(photo, 20)  # the most that any of them needs
                ready.wait()
                for i in range(calls):
                    height, width = rng.integers(smallest, photo.shape[:2])
                    preset = PRESETS[i % len(PRESETS)]
                    detector.detect(photo[:height, :width], float(rng.uniform(20, 80)), preset=preset)
            except Exception as error:  # said in the report, not lost in the thread
                wrong.append(f"{type(error).__name__}: {error}")
                ready.abort()

        def run(calls: int) -> float:
            ready = threading.Barrier(workers)
            threads = [threading.Thread(target=work, args=(i, calls // workers, ready)) for i in range(workers)]
            began = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return time.perf_counter() - began

        run(count // 10)
        before = memory()
        seconds = run(count)
        grown = memory() - before
    failed = dict.fromkeys(wrong, "a thread ended with it")
    if grown > MOST_GROWTH:
        failed["memory"] = f"grew by {grown >> 20} MiB over {count} frames"
    return {
        "frames": count,
        "threads": workers,
        "seconds": round(seconds, 1),
        "grown_mib": round(grown / 2**20, 1),
        "failed": failed,
    }


def threads_rate(call: Callable[[], Any], count: int) -> float:
    """Calls a second, over all threads."""
    done = [0] * count
    start, stop = threading.Barrier(count + 1), threading.Event()

    def work(i: int) -> None:
        for _ in range(WARM_UP):
            call()
        start.wait()
        while not stop.is_set():
            call()
            done[i] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


class Recorder(unittest.TextTestResult):
    """Writes what is known after every test, for one of them may crash the process."""

    path: Path
    _running: str | None = None

    def startTest(self, test: unittest.TestCase) -> None:
        self._running = test.id()
        self._write()
        super().startTest(test)

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        self._running = None
        self._ended = [*getattr(self, "_ended", []), test.id()]
        self._write()

    def _write(self) -> None:
        bad = {"failed": self.failures, "error": self.errors}
        named = {status: [test.id() for test, _ in found] for status, found in bad.items()}
        named["skipped"] = [f"{test.id()}: {why}" for test, why in self.skipped]
        named["running when it ended"] = [self._running] if self._running else []
        unwell = {test.partition(" ")[0].partition(":")[0] for names in named.values() for test in names if test}
        named["passed"] = [test for test in getattr(self, "_ended", []) if test not in unwell]
        result = {
            "by_status": {status: names for status, names in named.items() if names},
            "messages": {test.id(): text[-1500:] for found in bad.values() for test, text in found},
        }
        self.path.write_text(json.dumps(result))


def run_tests(path: Path, module: str) -> int:
    Recorder.path = path
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    runner = unittest.TextTestRunner(sys.stdout, verbosity=2)
    runner.resultclass = Recorder  # type: ignore[assignment]
    outcome = runner.run(suite)
    return 0 if outcome.wasSuccessful() else 1


def main() -> int:
    part, path, *arguments = sys.argv[1:]
    if part == "tests":
        return run_tests(Path(path), *arguments)
    parts: dict[str, Callable[..., dict[str, Any]]] = {
        "machine": machine,
        "engines": build_engines,
        "speed": speed,
        "endurance": endurance,
    }
    try:
        result = parts[part](*arguments)
    except (DeviceError, EngineError) as error:
        print(error)
        return 1
    Path(path).write_text(json.dumps(result))
    for name, why in result.get("failed", {}).items():
        print(f"{name}: {why}")
    return 1 if result.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
