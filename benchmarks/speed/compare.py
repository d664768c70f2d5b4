#!/usr/bin/env python3
"""Times our detector beside other MTCNNs from PyPI: python -m benchmarks.speed.compare [--images PATH[#FRAME] ...].

Each detector runs in a process and a virtual environment of its own (made under build/bench/ when first needed).
They take turns, a few calls each in many rounds, so that what else the machine does hits all alike.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.peers.processes import PEERS, ROOT, Detector, machine

OURS = ["trt-mtcnn fast", "trt-mtcnn accurate", "trt-mtcnn port"]  # ratios are to the first
PAUSE = 0.1  # seconds between turns: threads of the last one may still be spinning


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
    workers = [Detector(name) for name in (*OURS, *PEERS)]
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


def time_picture(workers: list[Detector], image: Path, minsize: float, rounds: int, calls: int) -> list[dict[str, Any]]:
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
    return {"detector": name, "faces": len(first["dets"]), **{k: round(v, 3) for k, v in summary.items()}}


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
