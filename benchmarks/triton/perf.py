"""perf_client, NVIDIA's load generator, against each model of a generated repository in a real Triton server.

make triton                     # the tests with a server, then this, quickly
make triton-perf                # this alone, longer: make triton-perf [TRITON="--output FILE"]
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import csv
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.peers.processes import machine
from benchmarks.triton.server import ROOT, TritonServer, missing
from mtcnn import TrtMtcnn
from mtcnn.serving import Client, write_repository

PHOTO = ROOT / "docs" / "images" / "astronaut.jpg"
CLIENT = Path(sys.executable).parent / "perf_client"

Row = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short measurements, that may not be steady")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures as JSON")
    options = parser.parse_args()
    if why := missing() or client_missing():
        print(f"not measured: {why}")
        return 0
    report = measure(options.quick)
    print(as_markdown(report))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def client_missing() -> str | None:
    """What perf_client needs that is not there."""
    if not CLIENT.exists():
        return "perf_client is not installed: make triton"
    needed = subprocess.run(["ldd", CLIENT], env=environment(), capture_output=True, text=True).stdout
    absent = re.findall(r"(\S+) => not found", needed)
    return f"perf_client needs {', '.join(absent)}: apt install libb64-0d" if absent else None


def environment() -> dict[str, str]:
    cuda = importlib.metadata.distribution("nvidia-cuda-runtime-cu12").locate_file("nvidia/cuda_runtime/lib")
    return os.environ | {"LD_LIBRARY_PATH": str(cuda)}


def measure(quick: bool) -> dict[str, Any]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        pixels, image = inputs(Path(folder))
        with started(Path(folder) / "nhwc", layout="nhwc") as server:
            rows += networks(server, "nhwc", quick)
        with started(Path(folder) / "nchw", layout="nchw") as server:
            rows += networks(server, "nchw", quick)
        cores = len(os.sched_getaffinity(0))
        for instances, threads in ((1, cores), (cores, 1)):
            setup = {"instances": instances, "threads": threads}
            with started(Path(folder) / f"{instances}", instances={"mtcnn": instances}, threads=threads) as server:
                for what, data in (("pixels", pixels), ("JPEG", image)):
                    for at_once in (1, 8):
                        options = ["--input-data", str(data)]
                        rows.append(row(server, "mtcnn", what, options, quick, at_once) | setup)
                options = ["--input-data", str(pixels)]
                rows.append(row(server, "mtcnn", "pixels", options, quick, protocol="http") | setup)
                if instances == 1:
                    clients = our_client(server, 10 if quick else 100)
    return {
        "machine": machine(),
        "versions": {name: importlib.metadata.version(name) for name in ("nvidia-pytriton", "tritonclient", "numpy")},
        "picture": f"{PHOTO.name}, {'x'.join(map(str, photo().shape[1::-1]))}, preset fast, minsize 40",
        "rows": rows,
        "client_ms": clients,
    }


def started(folder: Path, **settings: Any) -> TritonServer:
    write_repository(folder, backend="python", preset="fast", **settings)
    return TritonServer(folder)


def networks(server: TritonServer, layout: str, quick: bool) -> list[Row]:
    shape = "input_1:480,480,3" if layout == "nhwc" else "data:3,480,480"
    return [
        row(server, "pnet", f"480x480 {layout}", ["--shape", shape], quick),
        row(server, "rnet", f"{layout}", [], quick, batch=64),
        row(server, "onet", f"{layout}", [], quick, batch=16),
    ]


def row(
    server: TritonServer,
    model: str,
    what: str,
    options: Sequence[str],
    quick: bool,
    at_once: int = 1,
    batch: int = 1,
    protocol: str = "grpc",
) -> Row:
    """One run of perf_client.

    Raises:
        RuntimeError: it failed, in its own words.
    """
    with tempfile.NamedTemporaryFile(suffix=".csv") as figures:
        command = [str(CLIENT), "-m", model, "-i", protocol, "-u", getattr(server, protocol), "-b", str(batch)]
        command += ["--concurrency-range", str(at_once), *options, "-f", figures.name]
        command += ["-p", "500", "-s", "999", "-r", "4"] if quick else ["-p", "2000", "-s", "50", "-r", "10"]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
        found = list(csv.DictReader(Path(figures.name).read_text().splitlines()))
    if done.returncode or not found:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    (line,) = found
    return {
        "model": model,
        "what": what,
        "protocol": protocol,
        "batch": batch,
        "at_once": at_once,
        "per_second": round(float(line["Inferences/Second"]), 1),
        **{f"{name}_ms": round(float(line[f"{name} latency"]) / 1000, 2) for name in ("p50", "p95")},
        "command": " ".join(["perf_client", *command[1:4], *command[7:-8]]).replace(tempfile.gettempdir(), "."),
    }


def photo() -> Any:
    return np.asarray(cv2.imread(str(PHOTO)), np.uint8)


def inputs(folder: Path) -> tuple[Path, Path]:
    """The photo as perf_client reads it: as pixels, and as a file, its length before it."""
    file, img = PHOTO.read_bytes(), photo()
    encoded = base64.b64encode(len(file).to_bytes(4, "little") + file).decode()
    contents = {
        "pixels.json": {"pixels": {"content": img.ravel().tolist(), "shape": list(img.shape)}},
        "image.json": {"image": {"b64": encoded}},
    }
    for name, step in contents.items():
        (folder / name).write_text(json.dumps({"data": [step]}))
    return folder / "pixels.json", folder / "image.json"


def our_client(server: TritonServer, repeats: int) -> dict[str, dict[str, float]]:
    """Medians of a detection by mtcnn.serving.Client, and by a detector in this process; turn by turn."""
    pictures = {f"{w}x{h}": np.asarray(cv2.resize(photo(), (w, h)), np.uint8) for w, h in ((512, 512), (1920, 1080))}
    with contextlib.ExitStack() as stack:
        detect = {"no server": stack.enter_context(TrtMtcnn(device="cpu", preset="fast")).detect}
        for protocol, url in (("http", server.http), ("grpc", server.grpc)):
            for shared in (False, True):
                client = Client(url, protocol, shared_memory=shared, timeout=60)
                detect[protocol + ", shared memory" * shared] = stack.enter_context(client).detect
        times: dict[str, dict[str, list[float]]] = {size: {name: [] for name in detect} for size in pictures}
        for _ in range(repeats):
            for size, img in pictures.items():
                for name, call in detect.items():
                    began = time.perf_counter()
                    call(img)
                    times[size][name].append(time.perf_counter() - began)
    return {
        size: {name: round(1000 * float(np.median(values)), 2) for name, values in ways.items()}
        for size, ways in times.items()
    }


def as_markdown(report: dict[str, Any]) -> str:
    lines = [f"{report['machine']}; {report['picture']}", ""]
    lines += ["| model | input | batch | instances x threads | at once | protocol | a second | p50, ms | p95, ms |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for r in report["rows"]:
        setup = f"{r['instances']} x {r['threads']}" if "instances" in r else ""
        cells = [r["model"], r["what"], r["batch"], setup, r["at_once"], r["protocol"]]
        cells += [r["per_second"], r["p50_ms"], r["p95_ms"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    sizes = report["client_ms"]
    lines += ["", f"| Client.detect, ms | {' | '.join(sizes)} |", f"|---|{'---|' * len(sizes)}"]
    for name in next(iter(sizes.values())):
        lines.append(f"| {name} | {' | '.join(str(ways[name]) for ways in sizes.values())} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
