"""What a detector costs besides the time of a picture: memory, the start of a process, an import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.processes import Detector, first_face, worker_environment
from benchmarks.speed.summary import summarise

__all__ = ["footprints", "import_times"]

IMPORTS = ("import mtcnn", "from mtcnn import TrtMtcnn", "import numpy")
CALLS = 3


def footprints(
    makers: Mapping[str, tuple[str, dict[str, Any]]], image: Path, minsize: float, rounds: int
) -> list[dict[str, Any]]:
    """makers: name and parameters of each detector by its label. Peak memory after some detections; milliseconds from
    the start of a process to its first detection, engines made and files in the system's cache."""
    times: dict[str, list[float]] = {label: [] for label in makers}
    failed: dict[str, str] = {}
    for _ in range(rounds + 1):
        for label, (name, params) in makers.items():
            answer = first_face(name, image, minsize, **params)
            if "error" in answer:
                failed[label] = answer["error"]
            times[label].append(answer["ms"])
    results: list[dict[str, Any]] = []
    for label, (name, params) in makers.items():
        if label in failed:
            results.append({"detector": label, "error": failed[label]})
            continue
        detector = Detector(name, label, **params)
        detector.call(image, minsize, CALLS)
        memory = detector.peak_memory()
        detector.close()
        start = summarise(times[label][1:]).as_json("ms")
        results.append({"detector": label, "peak_mb": round(memory, 1), "start_to_first_face": start})
    return results


def import_times(rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds that statements take in a new process."""
    times: dict[str, list[float]] = {statement: [] for statement in IMPORTS}
    for _ in range(rounds + 1):
        for statement in IMPORTS:
            code = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=worker_environment())
            times[statement].append(1000 * float(done.stdout))
    return {statement: summarise(values[1:]).as_json("ms") for statement, values in times.items()}
