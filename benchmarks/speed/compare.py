#!/usr/bin/env python3
"""Times our detector beside other face detectors: python -m benchmarks.speed.compare [--full] [--yunet MODEL] ...

Each detector runs in processes and a virtual environment of its own (made under build/bench/ when first needed), one
process for each number of threads. They take turns; before each, all others have come to rest.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.processes import ROOT, Detector, Maker, add_peer_options, peers_asked_for
from benchmarks.peers.processor import machine, processor
from benchmarks.speed import contest, curves, footprint
from benchmarks.speed.contest import Entry
from benchmarks.speed.floor import detection_flops, floor_ms, machine_peak
from benchmarks.speed.labelled import measure_labelled, read_labelled
from benchmarks.speed.quiet import Quiet
from benchmarks.speed.report import as_markdown
from benchmarks.speed.work import Work, chosen_work, standard_work
from mtcnn import TrtMtcnn, create_engines
from mtcnn.params import PRESETS

UNIT = "trt-mtcnn accurate"  # what ratios are to: the default preset
REFERENCE = "mtcnn-runtime"  # whose faces the others' are matched with
PARTS = ("race", "labelled", "throughput", "footprint", "curves")
USUAL_PARTS = ("race", "labelled", "footprint", "curves")
MINSIZES = (40, 20, 12)
PEERS_LEAST = 20  # below, MTCNNs on general runtimes take seconds; --full times them all the same
BATCH = 8
THROUGHPUT_SECONDS = 1.0  # a turn

Processes = dict[str, dict[int, Detector]]  # by label and number of threads


def main() -> int:
    options = arguments()
    works = chosen_work(options.images) if options.images else standard_work(options.data, options.full)
    makers = detectors_asked_for(options)
    chip = processor()
    report: dict[str, Any] = {
        "machine": machine(),
        "processor": {"name": chip.name, "extensions": chip.extensions},
        "cores": len(os.sched_getaffinity(0)),
        "date": str(date.today()),
        "command": shlex.join(["make", "bench", *(["BENCH=" + shlex.join(options.given)] if options.given else [])]),
        "rounds": options.rounds,
        "versions": {},
    }
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        paths = {work.name: work.save(Path(temporary)) for work in works}
        measure(options, works, paths, makers, report)
    report["minutes"] = round((time.monotonic() - began) / 60, 1)
    publish(options, report, f"{report['date']}-{chip.slug}-{report['cores']}cores.json")
    return 0


def measure(
    options: argparse.Namespace,
    works: list[Work],
    paths: dict[str, list[Path]],
    makers: dict[str, Maker],
    report: dict[str, Any],
) -> None:
    chosen = {label: max(options.threads) for label in makers}  # threads for what comes after the race
    with started(makers, options.threads) as processes:
        report["versions"] = {label: next(iter(found.values())).versions for label, found in processes.items()}
        quiet = Quiet.of(d.process.pid for found in processes.values() for d in found.values())
        if "race" in options.parts:
            say("the machine's peak")
            peak = machine_peak(report["cores"])
            report["race"] = list(run_races(options, works, paths, processes, quiet))
            report["peak"] = {
                k: max(v, w) for (k, v), w in zip(peak.items(), machine_peak(report["cores"]).values(), strict=True)
            }
            report["floor"] = beside_the_floor(report["race"], works, report["peak"])
            chosen |= {r["detector"]: r["threads"] for r in reversed(report["race"][0]["results"]) if "threads" in r}
        labels = options.data / "wider100"
        if "labelled" in options.parts and labels.is_dir():
            say("labelled faces")
            report["labelled"] = measure_labelled(entries(options, processes), *read_labelled(labels), quiet)
        if "curves" in options.parts:
            report["curves"] = list(time_curves(options, works[0], {k: processes[k][n] for k, n in chosen.items()}))
        report["quiet"] = quiet.as_json()
    image = paths[works[0].name][0]
    if "throughput" in options.parts:
        report["throughput"] = time_throughput(options, works[0], image, makers, chosen)
    if "footprint" in options.parts:
        say("memory, start")
        report["footprint"] = footprint.footprints(makers, image, 40, options.rounds)
        report["import"] = footprint.import_times(options.rounds)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time our detector beside other face detectors.")
    parser.add_argument("--full", action="store_true", help="more pictures, presets and rounds, and throughput")
    data = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=data, help="folder of labelled data (default %(default)s)")
    parser.add_argument("--images", nargs="+", metavar="PATH[#FRAME]", help="these pictures, video frames instead")
    parser.add_argument("--minsize", type=float, nargs="+", help="smallest faces, pixels (default 40 20, ours also 12)")
    parser.add_argument("--threads", type=int, nargs="+", help="numbers of threads to try (default: 1, 2, 4 ... all)")
    parser.add_argument("--rounds", type=int, help="turns of each detector (default 5, 15 with --full)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help=f"what to measure (default {' '.join(USUAL_PARTS)})")
    add_peer_options(parser)
    default = ROOT / "build" / "bench" / "report.json"
    parser.add_argument(
        "--json", type=Path, default=default, metavar="FILE|FOLDER", help="the report; in a folder: by processor, date"
    )
    options = parser.parse_args()
    options.given = sys.argv[1:]
    options.rounds = options.rounds or (15 if options.full else 5)
    options.parts = options.parts or (PARTS if options.full else USUAL_PARTS)
    usable = len(os.sched_getaffinity(0))
    options.threads = sorted(set(options.threads or thread_counts(usable)))
    if not 1 <= options.threads[0] <= options.threads[-1] <= usable:
        parser.error(f"--threads: from 1 to {usable}, the cores that this process may use")
    options.peers = peers_asked_for(parser, options)
    return options


def thread_counts(cores: int) -> list[int]:
    return [*(2**i for i in range(cores.bit_length()) if 2**i < cores), cores]


def detectors_asked_for(options: argparse.Namespace) -> dict[str, Maker]:
    """By label."""
    plain = {"engines": make_engines("fp32")}
    presets = ("fast", "accurate", "port") if options.full else ("fast", "accurate")
    makers: dict[str, Maker] = {f"trt-mtcnn {preset}": (f"trt-mtcnn {preset}", plain) for preset in presets}
    if "amx_bf16" in processor().extensions:  # elsewhere bf16 runs on float32's kernels
        for preset in ("fast", "accurate"):
            makers[f"trt-mtcnn {preset} bf16"] = (f"trt-mtcnn {preset}", {"engines": make_engines("bf16")})
    peers: dict[str, Maker] = options.peers
    return makers | peers


def make_engines(precision: str) -> list[str]:
    folder = ROOT / "build" / "bench" / f"engines-{precision}"
    return [str(path) for path in create_engines(folder, flavour="cpu", precision=precision)]


@contextmanager
def started(makers: dict[str, Maker], threads: list[int]) -> Iterator[Processes]:
    processes: Processes = {}
    try:
        for label, (name, params) in makers.items():
            processes[label] = {}
            for n in threads:
                processes[label][n] = Detector(name, label, threads=n, **params)
        yield processes
    finally:
        for found in processes.values():
            for detector in found.values():
                detector.close()


def entries(options: argparse.Namespace, processes: Processes) -> list[Entry]:
    rows = []
    for minsize in options.minsize or MINSIZES:
        for label, found in processes.items():
            ours = label.startswith("trt-mtcnn")
            if label != "yunet" and (ours or options.minsize or options.full or minsize >= PEERS_LEAST):
                rows.append(Entry(label, minsize, found))
    return rows + [Entry(label, None, found) for label, found in processes.items() if label == "yunet"]


def run_races(
    options: argparse.Namespace,
    works: list[Work],
    paths: dict[str, list[Path]],
    processes: Processes,
    quiet: Quiet,
) -> Iterator[dict[str, Any]]:
    for work in works:
        say(f"{work.name}, {len(work.pictures)} pictures")
        results = contest.race(entries(options, processes), paths[work.name], options.rounds, quiet, UNIT, REFERENCE)
        yield {"work": work.name, "size": work.size, "pictures": len(work.pictures), "results": results}


def beside_the_floor(blocks: list[dict[str, Any]], works: list[Work], peak: dict[str, float]) -> list[dict[str, Any]]:
    """At as many threads as there are cores, as the peak is."""
    found = []
    named = {work.name: work for work in works}
    with TrtMtcnn(make_engines("fp32"), device="cpu") as detector:
        for block in blocks:
            pictures = named[block["work"]].pictures
            for result in block["results"]:
                _, _, preset = result["detector"].partition("trt-mtcnn ")
                if preset not in ("fast", "accurate") or "error" in result:
                    continue
                profiles = [detector.profile(p, result["minsize"], preset=preset, repeats=1) for p in pictures]
                flops = float(np.mean([detection_flops(profile, PRESETS[preset]) for profile in profiles]))
                least = floor_ms(flops, float(np.mean([picture.nbytes for picture in pictures])), peak)
                ms = result["by_threads"][max(result["by_threads"], key=int)]["median_ms"]
                row = {"work": block["work"], "minsize": result["minsize"], "detector": result["detector"]}
                row |= {"gflop": round(flops / 1e9, 4), "floor_ms": round(least, 4), "median_ms": ms}
                found.append(row | {"ratio": round(ms / least, 3)})
    return found


def time_throughput(
    options: argparse.Namespace, work: Work, image: Path, makers: dict[str, Maker], threads: dict[str, int]
) -> list[dict[str, Any]]:
    found = []
    rounds = max(3, options.rounds // 2)
    ours = {k: (name, {**p, "batch": BATCH}) for k, (name, p) in makers.items() if name.startswith("trt-mtcnn")}
    for kind, callers, each in (("1 thread", 1, 1), ("2 threads", 2, 1), ("4 threads", 4, 1), ("batch", 1, BATCH)):
        say(f"throughput, {kind}")
        detectors = [
            Detector(name, label, threads=threads[label], **params)
            for label, (name, params) in (makers if each == 1 else ours).items()
        ]
        quiet = Quiet.of(detector.process.pid for detector in detectors)
        results = contest.throughput(detectors, image, 40, callers, rounds, THROUGHPUT_SECONDS, quiet)
        for detector in detectors:
            detector.close()
        title = kind if each == 1 else f"detect_batch of {each}"
        for r in results:
            scaled = {k: v * each if k.endswith("per_s") else v for k, v in r.items()}
            found.append({"work": work.name, "kind": title, **scaled})
    return found


def time_curves(options: argparse.Namespace, work: Work, detectors: dict[str, Detector]) -> Iterator[dict[str, Any]]:
    kept = {k: d for k, d in detectors.items() if k in ("trt-mtcnn fast", UNIT, REFERENCE, "yunet")}
    rounds = max(2, options.rounds // 2)
    say("cost over pixels")
    yield curves.cost_over_pixels(list(kept.values()), work.pictures[0], 40, rounds)
    say("cost over faces")
    kept.pop("yunet", None)
    yield curves.cost_over_faces(list(kept.values()), 40, rounds, curves.FACES if options.full else curves.SOME_FACES)


def publish(options: argparse.Namespace, report: dict[str, Any], name: str) -> None:
    path = options.json / name if options.json.is_dir() else options.json
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(as_markdown(report))
    say(f"{report['minutes']} minutes; the report is {os.path.relpath(path)}")
    if report["quiet"]["machine_busy"] > 0.05:
        say(f"other programs kept {report['quiet']['machine_busy']:.0%} of the machine busy: repeat on a quiet one")


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
