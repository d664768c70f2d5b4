#!/usr/bin/env python3
"""Measures our detector's accuracy beside other MTCNNs from PyPI: python -m benchmarks.accuracy.compare.

Boxes on photographs labelled in COCO's format, the five points on LFW, and what they are worth to face
verification; or, with --wider, the whole of WIDER FACE by its own evaluation. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.accuracy import bootstrap, stability, wider
from benchmarks.accuracy.average_precision import evaluate_boxes, require_evaluator
from benchmarks.accuracy.landmarks import nearest_face, point_error, point_scores, scatter_in_draws
from benchmarks.accuracy.verification import Embedder, ten_fold
from benchmarks.peers.processes import ROOT, Detector, add_peer_options, peers_asked_for
from benchmarks.peers.processor import machine
from mtcnn.params import Preset

PRESETS = ("accurate", "fast", "port")
FORMER = {  # defaults until those days
    "2026-11-30": "mirror_first=false second_pass_scales=[0.85,1] tight_landmarks=false",
    "2026-11-29": "thresholds=[0.6,0.7,0.7] nms_thresholds=[0.5,0.7,0.7,0.7] mirror_first=false "
    "second_pass_scales=[0.85] vote=0",
}
# What docs/accuracy.md has beside the presets: the authors' settings, each step of "accurate" left out or added.
ROWS = (
    "fast minsize=10 factor=0.79 thresholds=[0.5,0.5,0.3]",
    "accurate minsize=10 factor=0.79 thresholds=[0.5,0.5,0.3]",
    *(f"accurate {params}" for params in FORMER.values()),
    "accurate vote=0",
    "accurate nms_thresholds=[0.5,0.7,0.7,0.7]",
    "accurate thresholds=[0.6,0.7,0.7]",
    "accurate second_pass_scales=[0.85]",
    "accurate second_pass_scales=[0.85,1]",
    "accurate second_pass_scales=[1.1]",
    "accurate tight_landmarks=false",
    "accurate mirror=false",
    "accurate mirror_first=false",
    "accurate mirror_range=[0,1]",
    "accurate average_scores=false",
    "accurate average_above=1",
)
PAUSE = 0.1  # seconds before calls that are timed: threads of the last detector may still be spinning
ERRORS = Console(stderr=True)

Faces = dict[str, Any]  # a worker's answer


def main() -> int:
    options = read_options()
    require_evaluator()
    detectors = [ours(spec) for spec in dict.fromkeys((*PRESETS, *options.also, *(() if options.few else ROWS)))]
    if options.models:
        with_lnet = [ours(f"{spec} models={shlex.quote(str(options.models.resolve()))}") for spec in PRESETS[:2]]
        for detector, preset in zip(with_lnet, PRESETS, strict=False):
            detector.name = f"trt-mtcnn {preset} with L-Net"
        detectors += with_lnet
    if options.float16:
        detectors.append(Detector("reference accurate", "accurate, float16", precision="fp16"))
    detectors += [Detector(name, label, **params) for label, (name, params) in options.peers.items()]
    report: dict[str, Any] = {
        "machine": machine(),
        "minsize": options.minsize,
        "versions": {detector.name: detector.versions for detector in detectors},
        "results": {detector.name: {} for detector in detectors},
    }
    results = report["results"]
    if options.wider:
        measure_wider(detectors, options.wider, options.minsize, results)
    else:
        for what in options.measure:
            if what == "boxes":
                measure_boxes(detectors, options.data, options.minsize, results, timed=not options.untimed)
            else:
                MEASURES[what](detectors, options.data, options.minsize, results)
    for detector in detectors:
        detector.close()
    report["differences"] = differences(results, detectors[0].name)
    print(f"{report['machine']}, minsize {options.minsize:g}\n\n{as_markdown(results)}")
    if report["differences"]:
        print(f"\nLess {detectors[0].name}, in the same draws of pictures:\n")
        print(differences_as_markdown(report["differences"]))
    for measured in results.values():
        for group in measured.values():
            group.pop("draws", None)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure our detector's accuracy beside other MTCNNs from PyPI.")
    data = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=data, metavar="DIR", help="labelled data (default %(default)s)")
    measures = list(MEASURES)
    parser.add_argument("--measure", nargs="+", choices=measures, default=measures, help="what (default all)")
    parser.add_argument("--wider", type=Path, metavar="DIR", help="measure on WIDER FACE's validation set instead")
    parser.add_argument("--minsize", type=float, default=20, help="smallest face, pixels (default %(default)s)")
    parser.add_argument("--also", nargs="+", default=[], metavar='"PRESET NAME=VALUE ..."', help="more rows of ours")
    parser.add_argument("--models", type=Path, metavar="DIR", help="with lnet.onnx: also the presets with L-Net")
    parser.add_argument(
        "--float16", action="store_true", help="also float16 networks, as the tests' plain cascade runs them; slow"
    )
    parser.add_argument(
        "--untimed", action="store_true", help="no times, for which nothing else may run: one detection a picture"
    )
    parser.add_argument("--few", action="store_true", help="of ours only the presets and --also")
    parser.add_argument("--no-peers", dest="beside", action="store_false", help="only ours")
    add_peer_options(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    options = parser.parse_args()
    if options.models and not (options.models / "lnet.onnx").is_file():
        parser.error(
            f"--models: there is no {options.models / 'lnet.onnx'}: mtcnn export CAFFE_DIR --output DIR makes it"
        )
    folder = options.wider or options.data
    if not folder.is_dir():
        parser.error(f"{folder} is no folder: name the labelled data with {'--wider' if options.wider else '--data'}")
    options.peers = peers_asked_for(parser, options) if options.beside else {}
    return options


def ours(spec: str) -> Detector:
    """A row of ours: see read_spec."""
    preset, params = read_spec(spec)
    return Detector(f"trt-mtcnn {preset}", f"trt-mtcnn {one_line(spec)}", **params)


def one_line(spec: str) -> str:
    """As a cell of a table has it: options may be broken over several lines of the shell."""
    return " ".join(spec.split()).replace("|", "\\|")


def read_spec(spec: str) -> tuple[Preset, dict[str, Any]]:
    """A preset and parameters, of "accurate thresholds=[0.6,0.7,0.4] precision=bf16": values are JSON or words."""
    preset, *settings = shlex.split(spec)
    if preset not in PRESETS:
        sys.exit(f"--also {spec!r}: it must begin with one of {', '.join(PRESETS)}")
    params: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            params[name] = json.loads(value)
        except json.JSONDecodeError:
            params[name] = value
    return cast(Preset, preset), params


def detect_all(
    detectors: list[Detector], images: Iterable[Path], minsize: float, title: str, timed: bool = False
) -> tuple[dict[str, list[Faces]], dict[str, float]]:
    """Every detector on every picture, in turns: the faces by detector, and the median of the milliseconds."""
    faces: dict[str, list[Faces]] = {detector.name: [] for detector in detectors}
    times: dict[str, list[float]] = {detector.name: [] for detector in detectors}
    for image in track(list(images), title, console=ERRORS):
        for detector in detectors:
            if timed:
                time.sleep(PAUSE)
            answer = detector.call(image, minsize, calls=2 if timed else 1)
            if "error" in answer:
                ERRORS.print(f"{detector.name} on {image.name}: {answer['error']}", highlight=False)
            else:
                times[detector.name].append(answer["ms"][-1])  # the first finds the caches full of another's data
            faces[detector.name].append(answer)
    return faces, {name: median(ms) for name, ms in times.items() if ms}


def boxes(faces: Faces) -> NDArray[np.float64]:
    return np.asarray(faces.get("dets", []), np.float64).reshape(-1, 5)


def measure_boxes(
    detectors: list[Detector], data: Path, minsize: float, results: dict[str, Any], timed: bool = True
) -> None:
    folder = data / "wider100"
    if not (labels_file := folder / "annotations.json").exists():
        return absent(folder)
    labels = json.loads(labels_file.read_text())
    numbers = [image["id"] for image in labels["images"]]
    paths = [folder / image["file_name"] for image in labels["images"]]
    faces, ms = detect_all(detectors, paths, minsize, folder.name, timed)
    for name, found in faces.items():
        scores = evaluate_boxes(labels, dict(zip(numbers, map(boxes, found), strict=True)))
        errors = sum("error" in f for f in found)
        drawn = [bootstrap.box_figures(scores.outcomes, weights) for weights in bootstrap.draws(len(numbers))]
        figures = {key: np.array([one[key] for one in drawn]) for key in drawn[0]}
        results[name]["boxes"] = (
            scores.summary() | {"ms": ms.get(name) if timed else None, "failed": errors} | with_intervals(figures)
        )


def measure_stability(detectors: list[Detector], data: Path, minsize: float, results: dict[str, Any]) -> None:
    """The share of labelled faces that are found in all views of their picture, and in any."""
    folder = data / "wider100"
    if not (labels_file := folder / "annotations.json").exists():
        return absent(folder)
    labels = json.loads(labels_file.read_text())
    images = labels["images"]
    found: dict[str, list[NDArray[np.bool_]]] = {detector.name: [] for detector in detectors}
    with tempfile.TemporaryDirectory() as scratch:
        for image in track(images, "views", console=ERRORS):
            own = [a["bbox"] for a in labels["annotations"] if a["image_id"] == image["id"] and not a["ignore"]]
            img = np.asarray(cv2.imread(str(folder / image["file_name"])), np.uint8)
            seen: dict[str, list[NDArray[np.bool_]]] = {detector.name: [] for detector in detectors}
            for k, (picture, faces) in enumerate(stability.views(img, np.array(own, np.float64).reshape(-1, 4))):
                view = Path(scratch, f"{image['id']}-{k}.npy")  # of another name: a worker keeps the last picture
                np.save(view, picture)
                for detector in detectors:
                    dets = boxes(detector.call(view, minsize))
                    seen[detector.name].append(stability.found_faces(dets, faces))
                view.unlink()
            for name, flags in seen.items():
                found[name].append(np.array(flags))
    weights = bootstrap.draws(len(images))
    for name, pictures in found.items():
        faces = np.array([flags.shape[1] for flags in pictures], np.float64)
        figures = {
            "in_all_views": np.array([flags.all(axis=0).sum() for flags in pictures], np.float64),
            "in_any_view": np.array([flags.any(axis=0).sum() for flags in pictures], np.float64),
        }
        drawn = {key: np.array([bootstrap.share(v, faces, w) for w in weights]) for key, v in figures.items()}
        results[name]["stability"] = with_intervals(drawn)


def with_intervals(figures: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Figures in every draw as their values and intervals; the draws are kept for differences."""
    intervals = {name: bootstrap.interval(values) for name, values in figures.items()}
    return {
        **{name: one.value for name, one in intervals.items()},
        "intervals": {name: [one.low, one.high] for name, one in intervals.items()},
        "draws": figures,
    }


def differences(results: dict[str, Any], base: str) -> dict[str, dict[str, list[float]]]:
    """Of each detector to `base`: figure -> [difference, low, high]."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, measured in results.items():
        if name == base:
            continue
        for group, values in measured.items():
            if "draws" in values and "draws" in results[base].get(group, {}):
                for key, one in bootstrap.difference(values["draws"], results[base][group]["draws"]).items():
                    found.setdefault(name, {})[key] = [one.value, one.low, one.high]
    return found


def measure_points(detectors: list[Detector], data: Path, minsize: float, results: dict[str, Any]) -> None:
    folder = data / "lfw_landmarks"
    if not (labels_file := folder / "landmarks.csv").exists():
        return absent(folder)
    with labels_file.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    truth = [np.array(row[1:], np.float64) for row in rows]
    faces, _ = detect_all(detectors, [folder / row[0] for row in rows], minsize, folder.name)
    for name, found in faces.items():
        nearest = [nearest_face(boxes(f), points) for f, points in zip(found, truth, strict=True)]
        marks = [None if i is None else f["landmarks"][i] for i, f in zip(nearest, found, strict=True)]
        errors = [None if m is None else point_error(m, points) for m, points in zip(marks, truth, strict=True)]
        total = np.array([0.0 if error is None else error for error in errors])
        seen = np.array([float(error is not None) for error in errors])
        weights = bootstrap.draws(len(rows))
        drawn = {"nme": np.array([bootstrap.share(total, seen, w) for w in weights])}
        drawn["scatter"] = scatter_in_draws(marks, truth, weights)
        results[name]["points"] = vars(point_scores(marks, truth)) | with_intervals(drawn)


def measure_verification(detectors: list[Detector], data: Path, minsize: float, results: dict[str, Any]) -> None:
    folder, model = data / "lfw_pairs", data / "embedder" / "mobilefacenet.onnx"
    for path in (folder / "pairs.csv", model):
        if not path.exists():
            return absent(path)
    with (folder / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    same = [pair["same"] == "1" for pair in pairs]
    names = sorted({pair[side] for pair in pairs for side in "ab"})
    faces, _ = detect_all(detectors, [folder / name for name in names], minsize, folder.name)
    embedder = Embedder(model)
    pictures = {name: np.asarray(cv2.imread(str(folder / name)), np.uint8) for name in names}
    for detector, found in faces.items():
        vectors = {
            name: embedder.embed(pictures[name], boxes(f), f.get("landmarks", []))
            for name, f in zip(names, found, strict=True)
        }
        scores = ten_fold([distance(vectors[pair["a"]], vectors[pair["b"]]) for pair in pairs], same)
        results[detector]["verification"] = vars(scores)


def distance(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> float:
    return float("nan") if a is None or b is None else float(np.linalg.norm(a - b))


def measure_wider(detectors: list[Detector], folder: Path, minsize: float, results: dict[str, Any]) -> None:
    photos = wider.read_set(folder)
    faces, ms = detect_all(detectors, [photo.path for photo in photos], minsize, "WIDER FACE")
    for name, found in faces.items():
        dets = {photo.name: boxes(f) for photo, f in zip(photos, found, strict=True)}
        results[name]["wider"] = {s: wider.average_precision(photos, dets, s) for s in wider.SETTINGS}
        results[name]["wider"]["ms"] = ms.get(name)


MEASURES = {
    "boxes": measure_boxes,
    "stability": measure_stability,
    "points": measure_points,
    "verification": measure_verification,
}


def absent(path: Path) -> None:
    ERRORS.print(f"not measured, absent: {path}", highlight=False, soft_wrap=True)


COLUMNS = {
    "AP@0.5": ("boxes", "ap", ".3f"),
    "recall at 0.1": ("boxes", "recall_at_0.1", ".3f"),
    "recall at 0.25": ("boxes", "recall_at_0.25", ".3f"),
    "recall at 0.5": ("boxes", "recall_at_0.5", ".3f"),
    "recall at 1": ("boxes", "recall_at_1", ".3f"),
    "recall": ("boxes", "recall", ".3f"),
    "false positives an image": ("boxes", "false_positives", ".2f"),
    "ms an image": ("boxes", "ms", ".1f"),
    "in all views": ("stability", "in_all_views", ".3f"),
    "in any view": ("stability", "in_any_view", ".3f"),
    "NME %": ("points", "nme", ".2f"),
    "scatter %": ("points", "scatter", ".2f"),
    "no face": ("points", "missed", "d"),
    "verification %": ("verification", "accuracy", ".2f"),
    "easy": ("wider", "easy", ".3f"),
    "medium": ("wider", "medium", ".3f"),
    "hard": ("wider", "hard", ".3f"),
    "ms a photo": ("wider", "ms", ".1f"),
}


def in_cell(value: float, ends: Sequence[float] | None, form: str, is_difference: bool = False) -> str:
    """A figure and its interval; a difference whose interval leaves 0 outside is bold."""
    sign = "+" if is_difference else ""
    mark = "**" if is_difference and ends and (ends[0] > 0 or ends[1] < 0) else ""
    return f"{mark}{value:{sign}{form}}{mark}" + (f" ({ends[0]:{sign}{form}}..{ends[1]:{sign}{form}})" if ends else "")


def as_markdown(results: dict[str, dict[str, Any]]) -> str:
    """A row for each detector; the columns that were measured."""
    columns = {t: c for t, c in COLUMNS.items() if any(c[0] in measured for measured in results.values())}
    lines = ["| " + " | ".join(["detector", *columns]) + " |", "|" + "---|" * (len(columns) + 1)]
    for name, measured in results.items():
        values = [(measured.get(group, {}).get(key), form) for group, key, form in columns.values()]
        ends = [measured.get(group, {}).get("intervals", {}).get(key) for group, key, _ in columns.values()]
        cells = [
            "-" if value is None else in_cell(value, e, form) for (value, form), e in zip(values, ends, strict=True)
        ]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def differences_as_markdown(found: dict[str, dict[str, list[float]]]) -> str:
    """A row for each detector: differences with their intervals; those that leave 0 outside are bold."""
    columns = {t: (key, form) for t, (_, key, form) in COLUMNS.items() if any(key in row for row in found.values())}
    lines = ["| " + " | ".join(["detector", *columns]) + " |", "|" + "---|" * (len(columns) + 1)]
    for name, row in found.items():
        cells = []
        for key, form in columns.values():
            if key not in row:
                cells.append("-")
                continue
            value, *ends = row[key]
            cells.append(in_cell(value, ends, form, is_difference=True))
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
