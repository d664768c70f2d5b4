#!/usr/bin/env python3
"""Times our detector beside other face detectors: python -m benchmarks.speed.compare [--full] [--yunet MODEL] ...

Each detector runs in a process and a virtual environment of its own (made under build/bench/ when first needed).
They take turns, a few calls each in many rounds, so that what else the machine does hits all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.processes import ROOT, Detector, Maker, add_peer_options, machine, peers_asked_for
from benchmarks.speed import contest, curves, footprint
from benchmarks.speed.floor import detection_flops, floor_ms, machine_peak
from benchmarks.speed.report import as_markdown, replace_block
from benchmarks.speed.work import Work, chosen_work, standard_work
from mtcnn import TrtMtcnn, create_engines
from mtcnn.params import PRESETS

REFERENCE = "mtcnn-runtime"  # whose faces the others' are matched with
PARTS = ("latency", "throughput", "footprint", "curves")
BATCH = 8
THROUGHPUT_SECONDS = 1.0  # a turn


def main() -> int:
    options = arguments()
    works = chosen_work(options.images) if options.images else standard_work(options.data, options.full)
    makers = detectors_asked_for(options)
    report: dict[str, Any] = {"machine": machine(), "rounds": options.rounds, "peak": {}, "versions": {}}
    with tempfile.TemporaryDirectory() as temporary:
        paths = {work.name: work.save(Path(temporary)) for work in works}
        large = max(works[:2], key=lambda work: work.pictures[0].size)
        if "latency" in options.parts:
            before = {str(cores): machine_peak(cores) for cores in options.cores}
            report["latency"] = time_latency(options, works, paths, makers, report["versions"])
            after = {str(cores): machine_peak(cores) for cores in options.cores}
            report["peak"] = {n: {k: max(v, after[n][k]) for k, v in peak.items()} for n, peak in before.items()}
            report["floor"] = beside_the_floor(report["latency"], works, report["peak"])
        if "throughput" in options.parts:
            report["throughput"] = time_throughput(options, large, paths[large.name][0], makers)
        if "footprint" in options.parts:
            say("memory, start")
            report["footprint"] = footprint.footprints(makers, paths[large.name][0], 40, options.rounds)
            report["import"] = footprint.import_times(options.rounds)
        if "curves" in options.parts:
            report["curves"] = list(time_curves(options, large, makers))
    publish(options, report)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time our detector beside other face detectors.")
    parser.add_argument("--full", action="store_true", help="all pictures, core counts and callers, more rounds")
    data = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=data, help="folder of labelled data (default %(default)s)")
    parser.add_argument("--images", nargs="+", metavar="PATH[#FRAME]", help="these pictures, video frames instead")
    parser.add_argument("--minsize", type=float, nargs="+", default=[40, 20], help="smallest faces, pixels")
    parser.add_argument("--cores", type=int, nargs="+", help="core counts to time on (default: all, and 1)")
    parser.add_argument("--rounds", type=int, help="turns of each detector (default 7, 15 with --full)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    add_peer_options(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the tables between this document's marks")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves there (SVG)")
    options = parser.parse_args()
    options.rounds = options.rounds or (15 if options.full else 7)
    machine_cores = len(os.sched_getaffinity(0))
    options.cores = options.cores or sorted({machine_cores, 1}, reverse=True)
    if max(options.cores) > machine_cores:
        parser.error(f"--cores: this process may use {machine_cores}")
    options.peers = peers_asked_for(parser, options)
    if options.markdown and not options.markdown.is_file():
        parser.error(f"--markdown: there is no file {options.markdown}")
    return options


def detectors_asked_for(options: argparse.Namespace) -> dict[str, Maker]:
    """By label; the first is what ratios are to."""
    engines = {"": make_engines("fp32")}
    if has_bfloat16():
        engines[" bf16"] = make_engines("bf16")
    makers: dict[str, Maker] = {}
    for precision, paths in engines.items():
        for preset in ("fast", "accurate") if precision else ("fast", "accurate", "port"):
            name = f"trt-mtcnn {preset}"
            makers[name + precision] = (name, {"engines": paths})
    peers: dict[str, Maker] = options.peers
    return makers | peers


def make_engines(precision: str) -> list[str]:
    folder = ROOT / "build" / "bench" / f"engines-{precision}"
    return [str(path) for path in create_engines(folder, flavour="cpu", precision=precision)]


def has_bfloat16() -> bool:
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text()


@contextmanager
def started(makers: dict[str, Maker], cores: int | None = None) -> Iterator[list[Detector]]:
    detectors = [Detector(name, label, cores, **params) for label, (name, params) in makers.items()]
    try:
        yield detectors
    finally:
        for detector in detectors:
            detector.close()


def time_latency(
    options: argparse.Namespace,
    works: list[Work],
    paths: dict[str, list[Path]],
    makers: dict[str, Maker],
    versions: dict[str, Any],
) -> list[dict[str, Any]]:
    blocks = []
    for cores in options.cores:
        most = cores == max(options.cores)
        with started(makers, cores) as detectors:
            versions.update({d.name: d.versions for d in detectors})
            for work in works if most or options.full else works[:3]:
                for minsize in options.minsize if most or options.full else options.minsize[:1]:
                    say(f"{work.name}, minsize {minsize:g}, cores: {cores}")
                    results = contest.latency(detectors, paths[work.name], minsize, options.rounds, REFERENCE)
                    block = {"work": work.name, "size": work.size, "pictures": len(work.pictures)}
                    blocks.append(block | {"minsize": minsize, "cores": cores, "results": results})
    return blocks


def beside_the_floor(
    blocks: list[dict[str, Any]], works: list[Work], peak: dict[str, dict[str, float]]
) -> list[dict[str, Any]]:
    found = []
    named = {work.name: work for work in works}
    with TrtMtcnn(make_engines("fp32"), device="cpu") as detector:
        for block in blocks:
            pictures = named[block["work"]].pictures
            for preset in ("fast", "accurate"):
                profiles = [detector.profile(p, block["minsize"], preset=preset, repeats=1) for p in pictures]
                flops = float(np.mean([detection_flops(profile, PRESETS[preset]) for profile in profiles]))
                frame = float(np.mean([picture.nbytes for picture in pictures]))
                least = floor_ms(flops, frame, peak[str(block["cores"])])
                name = f"trt-mtcnn {preset}"
                (result,) = (r for r in block["results"] if r["detector"] == name)
                same = {k: block[k] for k in ("work", "minsize", "cores")}
                times = {"gflop": round(flops / 1e9, 4), "floor_ms": round(least, 4), "median_ms": result["median_ms"]}
                found.append(same | {"detector": name, **times, "ratio": round(result["median_ms"] / least, 3)})
    return found


def time_throughput(
    options: argparse.Namespace, work: Work, image: Path, makers: dict[str, Maker]
) -> list[dict[str, Any]]:
    found = []
    for cores in options.cores if options.full else options.cores[:1]:
        same = {"work": work.name, "cores": cores}
        with started(makers, cores) as detectors:
            for callers in (1, 2, 4) if options.full else (1, 2):
                kind = f"{callers} thread{'s' * (callers > 1)}"
                say(f"throughput, {kind}, cores: {cores}")
                rounds = max(3, options.rounds // 2)
                results = contest.throughput(detectors, image, 40, callers, rounds, THROUGHPUT_SECONDS)
                found += [{**same, "kind": kind, **r} for r in results]
        ours = {k: (name, {**p, "batch": BATCH}) for k, (name, p) in makers.items() if name.startswith("trt-mtcnn")}
        with started(ours, cores) as detectors:
            kind = f"detect_batch of {BATCH}"
            say(f"throughput, {kind}, cores: {cores}")
            for r in contest.throughput(detectors, image, 40, 1, 3, THROUGHPUT_SECONDS):
                scaled = {k: v * BATCH if k.endswith("per_s") else v for k, v in r.items()}
                found.append({**same, "kind": kind, **scaled})
    return found


def time_curves(options: argparse.Namespace, work: Work, makers: dict[str, Maker]) -> Iterator[dict[str, Any]]:
    kept = ["trt-mtcnn fast", "trt-mtcnn accurate", *([REFERENCE] if options.full else [])]
    rounds = max(2, options.rounds // 2)
    with started({label: makers[label] for label in kept}) as detectors:
        say("cost over pixels")
        yield curves.cost_over_pixels(detectors, work.pictures[0], 40, rounds)
        say("cost over faces")
        yield curves.cost_over_faces(detectors, 40, rounds)


def publish(options: argparse.Namespace, report: dict[str, Any]) -> None:
    plot = None
    if options.plot and report.get("curves"):
        curves.draw(report["curves"], options.plot)
        plot = os.path.relpath(options.plot, options.markdown.parent if options.markdown else Path.cwd())
    text = as_markdown(report, plot)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.markdown:
        replace_block(options.markdown, text)
    print(text)


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
