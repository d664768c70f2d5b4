"""What the detectors find of labelled faces, and how long they take for it: the same scope, or no comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.contest import Entry
from benchmarks.speed.faces import match
from benchmarks.speed.quiet import Quiet

__all__ = ["count_faces", "measure_labelled", "read_labelled"]

GROUP = 10  # pictures a turn
SMALL = 12.0  # pixels, of the geometric mean of a labelled face's sides; below 20 the labels are marked as ignored

Boxes = NDArray[np.float64]


def read_labelled(folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """Labels in COCO's format, and their pictures."""
    labels: dict[str, Any] = json.loads((folder / "annotations.json").read_text())
    return labels, [folder / image["file_name"] for image in labels["images"]]


def measure_labelled(
    entries: Sequence[Entry], labels: Mapping[str, Any], images: Sequence[Path], quiet: Quiet
) -> list[dict[str, Any]]:
    """One result an entry: milliseconds a picture (the second call on each), and the faces found.

    The first pictures tell with how many threads a detector is fastest; it keeps to those.
    """
    groups = [images[i : i + GROUP] for i in range(0, len(images), GROUP)]
    times: dict[int, list[float]] = {i: [] for i in range(len(entries))}
    faces: dict[int, list[Any]] = {i: [] for i in range(len(entries))}
    threads: dict[int, int] = {}
    for number, group in enumerate(groups):
        for i, entry in enumerate(entries):
            if entry.error:
                continue
            tried = {t: turn(entry, t, group, quiet) for t in ([threads[i]] if number else entry.detectors)}
            threads[i] = min(tried, key=lambda t: float(np.mean(tried[t][0])))
            times[i] += tried[threads[i]][0]
            faces[i] += tried[threads[i]][1]
    results = []
    for i, entry in enumerate(entries):
        row: dict[str, Any] = {"detector": entry.label, "minsize": entry.minsize}
        if entry.error:
            results.append(row | {"error": entry.error})
            continue
        counts = count_faces(labels, faces[i])
        results.append(row | {"threads": threads[i], "ms": round(float(np.mean(times[i])), 4), **counts})
    return results


def turn(entry: Entry, threads: int, images: Sequence[Path], quiet: Quiet) -> tuple[list[float], list[Any]]:
    """Milliseconds and faces, picture by picture; a picture on which it fails has no faces and no time."""
    quiet.wait()
    answers = [entry.detectors[threads].call(image, entry.smallest, 2) for image in images]
    return [a["ms"][-1] for a in answers if "ms" in a], [a.get("dets", []) for a in answers]


def count_faces(labels: Mapping[str, Any], dets: Sequence[Any]) -> dict[str, int | float]:
    """dets: for each of the labels' pictures, rows of [x1, y1, x2, y2, score], inclusive.

    `found` of the `labelled` faces (20 pixels and more), `small_found` of the `small` ones (12 to 20 pixels, which
    the labels mark as not to be counted), and detections a picture that are no labelled face of any size. Detections
    are matched with faces at an overlap of 0.5, the largest overlaps first.
    """
    counted = {"found": 0, "labelled": 0, "small_found": 0, "small": 0}
    wrong = 0
    for image, rows in zip(labels["images"], dets, strict=True):
        own = [face for face in labels["annotations"] if face["image_id"] == image["id"]]
        boxes = np.array([face["bbox"] for face in own], np.float64).reshape(-1, 4)
        ignored = np.array([bool(face.get("ignore") or face.get("iscrowd")) for face in own], bool)
        small = ignored & (np.sqrt(boxes[:, 2] * boxes[:, 3]) >= SMALL)
        truth = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1])
        pairs = match(truth, rows)
        hit = np.zeros(len(own), bool)
        hit[[i for i, _ in pairs]] = True
        for name, kind in (("labelled", ~ignored), ("small", small)):
            counted[name] += int(kind.sum())
            counted["found" if name == "labelled" else "small_found"] += int((hit & kind).sum())
        wrong += len(rows) - len(pairs)
    return {**counted, "false_positives": round(wrong / max(len(labels["images"]), 1), 4)}
