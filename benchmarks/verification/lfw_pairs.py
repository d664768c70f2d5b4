#!/usr/bin/env python3
"""Prints the accuracy of verification on labelled pairs, by 10-fold cross-validation.

    python -m benchmarks.verification.lfw_pairs PAIRS.csv --embedder MODEL.onnx
    python -m benchmarks.verification.lfw_pairs PAIRS.csv --embedder MODEL.onnx --against template=seed

PAIRS.csv has the columns a, b (pictures, relative to it) and same (1: one person, 0: two). --against measures the same
pairs once more with one thing changed, and tells the difference. Intervals are of 95%, by bootstrap over the pairs.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.peers.processor import machine
from mtcnn import FaceEmbedder, FaceVerifier, MtcnnError, TrtMtcnn
from mtcnn.central import FACE_CHOICES
from mtcnn.params import DEFAULT_PRESET, PRESETS, TEMPLATES
from mtcnn.recognition.thresholds import best_threshold, cross_validate
from mtcnn.recognition.verify import METRICS


def main() -> int:
    parser = argparse.ArgumentParser(description="Accuracy of verification on labelled pairs.")
    parser.add_argument("pairs", type=Path, metavar="PAIRS.csv")
    parser.add_argument("--embedder", type=Path, required=True, metavar="MODEL.onnx")
    parser.add_argument("--metric", choices=METRICS, default=METRICS[0])
    parser.add_argument("--face", choices=FACE_CHOICES, default=FACE_CHOICES[0])
    parser.add_argument("--preset", choices=PRESETS, default=DEFAULT_PRESET)
    parser.add_argument("--minsize", type=float, default=40)
    parser.add_argument("--template", choices=TEMPLATES, default="arcface")
    parser.add_argument("--mirror", choices=("yes", "no"), default="yes", help="embed each face's mirror image, too")
    parser.add_argument("--against", action="append", default=[], metavar="NAME=VALUE", help="an option of these")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        report, right = measure(options)
        for text in options.against:
            name, _, value = text.partition("=")
            other, other_right = measure(parser.parse_args([*sys.argv[1:], f"--{name}={value}"]))
            report |= {f"{name}_{value}_{key}": other[key] for key in ("accuracy_10_fold", "best_threshold")}
            difference = right.astype(float) - other_right
            report[f"better_than_{name}_{value}_by"] = float(difference.mean())
            report[f"better_than_{name}_{value}_95%"] = interval(difference)
    except (MtcnnError, OSError, ValueError) as error:
        sys.exit(str(error))
    if options.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        for name, value in report.items():
            shown = f"{value:.4f}" if isinstance(value, float) else value
            print(f"{name.replace('_', ' '):42} {shown}")
    return 0


def interval(values: np.ndarray, rounds: int = 10_000) -> str:
    """Of the mean of the pairs' values: the middle 95% of the means of as many pairs, drawn with replacement."""
    draws = np.random.default_rng(0).integers(0, len(values), (rounds, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return f"{low:.4f} to {high:.4f}"


def measure(options: argparse.Namespace) -> tuple[dict[str, float | int | str], np.ndarray]:
    """The figures, and whether each pair is judged rightly while it is held out."""
    with options.pairs.open(newline="") as file:
        rows = list(csv.DictReader(file))
    files = sorted({row[side] for row in rows for side in ("a", "b")})
    index = {file: i for i, file in enumerate(files)}
    detector = TrtMtcnn(preset=options.preset, minsize=options.minsize)
    embedder = FaceEmbedder(options.embedder, detector.device, mirror=options.mirror == "yes")
    verifier = FaceVerifier(embedder, detector, options.metric, face=options.face, template=options.template)

    began = time.perf_counter()
    distances = verifier.compare(read(options.pairs.parent / file) for file in files)
    seconds = time.perf_counter() - began
    of_pairs = np.array([distances[index[row["a"]], index[row["b"]]] for row in rows])
    same = np.array([row["same"] == "1" for row in rows])
    judged = cross_validate(of_pairs, same)
    right = np.array(judged.right)
    report: dict[str, float | int | str] = {
        "machine": machine(),
        "pairs": len(rows),
        "pictures": len(files),
        "without_a_face": int(np.isnan(np.diagonal(distances)).sum()),
        "accuracy_10_fold": judged.accuracy,
        "accuracy_95%": interval(right.astype(float)),
        "standard_deviation": judged.std,
        "best_threshold": judged.threshold,
        "accuracy_at_it": best_threshold(of_pairs, same)[1],
        "pictures_a_second": len(files) / seconds,
    }
    return report, right


def read(path: Path) -> np.ndarray:
    img = cv2.imread(str(path))
    if img is None:
        raise ValueError(f"{path} is no picture that OpenCV can read")
    return np.asarray(img, np.uint8)


if __name__ == "__main__":
    sys.exit(main())
