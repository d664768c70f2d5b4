#!/usr/bin/env python3
"""Average precision over the photographs and over them shifted by a few pixels: python -m benchmarks.accuracy.shifted.

A face near a threshold is found in one view and not in the next, whatever computes it. The first specification's own
spread over the shifts says how much of a difference in one view is chance; the mean difference says what is left:
python -m benchmarks.accuracy.shifted fast "fast precision=bf16"
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.accuracy.average_precision import evaluate_boxes, require_evaluator
from benchmarks.accuracy.compare import read_spec
from mtcnn import TrtMtcnn

ROOT = Path(__file__).resolve().parents[2]
FIGURES = {"ap": "AP@0.5", "recall": "recall", "false_positives": "false positives an image"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Average precision over shifted photographs.")
    parser.add_argument("specs", nargs="+", metavar='"PRESET NAME=VALUE ..."', help="the first is compared with")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", metavar="DIR", help="labelled data")
    parser.add_argument("--side", type=int, default=4, help="shifts of 0 to SIDE - 1 pixels each way (%(default)s)")
    parser.add_argument("--minsize", type=float, default=20, help="smallest face, pixels (default %(default)s)")
    options = parser.parse_args()
    require_evaluator()
    folder = options.data / "wider100"
    if options.side < 2 or not (folder / "annotations.json").exists():
        parser.error("--side is at least 2, and --data a folder that holds wider100/annotations.json")
    labels = json.loads((folder / "annotations.json").read_text())
    found: dict[str, list[list[float]]] = {spec: [] for spec in options.specs}
    for shift in np.ndindex(options.side, options.side):
        for spec, rows in found.items():
            rows.append(figures(labels, folder, spec, options.minsize, (shift[0], shift[1])))
        print(f"{shift[1]}, {shift[0]}: {', '.join(f'{rows[-1][0]:.4f}' for rows in found.values())}", file=sys.stderr)
    first = np.array(found[options.specs[0]])
    head = ["", *FIGURES.values()]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for spec, rows in found.items():
        values, apart = np.array(rows), np.array(rows) - first
        error = 1.96 / np.sqrt(len(rows))
        cells = [
            f"{mean:.4f} (sd {sd:.4f})" if spec == options.specs[0] else f"{by:+.4f} ± {error * spread:.4f}"
            for mean, sd, by, spread in zip(
                values.mean(0), values.std(0, ddof=1), apart.mean(0), apart.std(0, ddof=1), strict=True
            )
        ]
        print(f"| {spec} | {' | '.join(cells)} |")
    return 0


def figures(labels: Mapping[str, Any], folder: Path, spec: str, minsize: float, shift: tuple[int, int]) -> list[float]:
    """Of photographs without their first rows and columns, as many as `shift` says."""
    preset, params = read_spec(spec)
    dets = {}
    with TrtMtcnn(device="cpu", preset=preset, **params) as detector:
        for image in labels["images"]:
            img = np.asarray(cv2.imread(str(folder / image["file_name"])), np.uint8)
            boxes, *_ = detector.detect(np.ascontiguousarray(img[shift[0] :, shift[1] :]), minsize)
            dets[image["id"]] = np.asarray(boxes, np.float64) + [shift[1], shift[0], shift[1], shift[0], 0]
    summary = evaluate_boxes(labels, dets).summary()
    return [summary[name] for name in FIGURES]


if __name__ == "__main__":
    sys.exit(main())
