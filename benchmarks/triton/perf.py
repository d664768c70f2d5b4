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
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.peers.processor import machine
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
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[1]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as running:
        folder = Path(name)
        pixels, image = inputs(folder)

        def start(name: str, **settings: Any) -> TritonServer:
            write_repository(folder / name, backend="python", preset="fast", **settings)
            return running.enter_context(TritonServer(folder / name))

        one = start("one", layout="nhwc", threads=cores)
        several = start("several", layout="nchw", instances={"mtcnn": cores}, threads=1)
        cases: list[tuple[TritonServer, Row]] = []
        for server, layout, shape in ((one, "nhwc", "input_1:480,480,3"), (several, "nchw", "data:3,480,480")):
            cases.append((server, case("pnet", f"480x480 {layout}", ["--shape", shape])))
            cases.append((server, case("rnet", layout, batch=64)))
            cases.append((server, case("onet", layout, batch=16)))
        setups = ((one, {"instances": 1, "threads": cores}), (several, {"instances": cores, "threads": 1}))
        for what, data, protocol, at_once in (
            ("pixels", pixels, "grpc", 1),
            ("pixels", pixels, "http", 1),
            ("JPEG", image, "grpc", 1),
            ("pixels", pixels, "grpc", 8),
            ("JPEG", image, "grpc", 8),
        ):
            for server, setup in setups:
                cases.append((server, case("mtcnn", what, ["--input-data", data.name], 1, at_once, protocol) | setup))
        runs: list[list[Row]] = [[] for _ in cases]
        for _ in range(1 if quick else 5):  # turn by turn, since other work on the machine comes and goes
            for found, (server, row) in zip(runs, cases, strict=True):
                found.append(perf_client(server, row, folder, 300 if quick else 1000))
        figures = ("per_second", "p50_ms", "p95_ms")
        medians = [
            {name: round(float(np.median([run[name] for run in found])), 2) for name in figures} for found in runs
        ]
        return {
            "machine": machine(),
            "versions": {
                name: importlib.metadata.version(name) for name in ("nvidia-pytriton", "tritonclient", "numpy")
            },
            "picture": f"{PHOTO.name}, {'x'.join(map(str, photo().shape[1::-1]))}, preset fast, minsize 40",
            "runs": len(runs[0]),
            "load": {"before": round(load, 1), "during": round(os.getloadavg()[1], 1)},
            "rows": [what | found for (_, what), found in zip(cases, medians, strict=True)],
            "client_ms": our_client(one, 10 if quick else 100),
        }


def case(
    model: str, what: str, options: Sequence[str] = (), batch: int = 1, at_once: int = 1, protocol: str = "grpc"
) -> Row:
    command = ["-m", model, "-i", protocol, "-b", str(batch), "--concurrency-range", str(at_once), *options]
    return {
        "model": model,
        "what": what,
        "protocol": protocol,
        "batch": batch,
        "at_once": at_once,
        "command": " ".join(["perf_client", *command]),
    }


def perf_client(server: TritonServer, what: Row, folder: Path, milliseconds: int) -> Row:
    """One run.

    Raises:
        RuntimeError: it failed, in its own words.
    """
    command = [str(CLIENT), *shlex.split(what["command"])[1:], "-u", getattr(server, what["protocol"])]
    command += ["-p", str(milliseconds), "-s", "999", "-r", "4", "-f", "figures.csv"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    (line,) = csv.DictReader((folder / "figures.csv").read_text().splitlines())
    return {
        "per_second": float(line["Inferences/Second"]),
        **{f"{name}_ms": float(line[f"{name} latency"]) / 1000 for name in ("p50", "p95")},
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
        detect: dict[str, Callable[..., Any]] = {
            "no server": stack.enter_context(TrtMtcnn(device="cpu", preset="fast")).detect
        }
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
    lines = [f"{report['machine']}; {report['picture']}; medians of {report['runs']} runs; "]
    lines[0] += f"the machine's load was {report['load']['before']} before, {report['load']['during']} while measuring"
    lines.append("")
    lines += ["| model | input | batch | instances x threads | at once | protocol | a second | p50, ms | p95, ms |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for r in report["rows"]:
        setup = f"{r['instances']} x {r['threads']}" if "instances" in r else ""
        cells = [r["model"], r["what"], r["batch"], setup, r["at_once"], r["protocol"]]
        cells += [f"{r['per_second']:.4g}", f"{r['p50_ms']:.3g}", f"{r['p95_ms']:.3g}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    sizes = report["client_ms"]
    lines += ["", f"| Client.detect, ms | {' | '.join(sizes)} |", f"|---|{'---|' * len(sizes)}"]
    for name in next(iter(sizes.values())):
        lines.append(f"| {name} | {' | '.join(str(ways[name]) for ways in sizes.values())} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
