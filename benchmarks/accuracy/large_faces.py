"""How many faces are found that fill a picture, by the picture's size: python -m benchmarks.accuracy.large_faces.

Photographs of LFW with five labelled points are cut to the face and enlarged. A detector whose network sees the picture
at one scale knows faces up to a size; one with a pyramid knows all. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.accuracy import bootstrap
from benchmarks.accuracy.stability import found_faces
from benchmarks.peers.processes import ROOT, Detector, add_peer_options, peers_asked_for
from benchmarks.peers.processor import machine

SIDES = (200, 500, 1000, 2000, 4000)  # pixels of the enlarged pictures
FACE, CUT = 2.6, 3.2  # sides of a face and of what is cut out, in distances from eye to eye, or from eyes to mouth
MINSIZE = 40  # the default

Image = NDArray[np.uint8]
Boxes = NDArray[np.float64]


def face_square(points: NDArray[np.float64], side: float) -> NDArray[np.float64]:
    """x, y, width, height of a square about the points (10,) x1..x5, y1..y5, eyes first; `side` as FACE is."""
    x, y = points.reshape(2, 5)
    eyes, mouth = np.array([x[:2].mean(), y[:2].mean()]), np.array([x[3:].mean(), y[3:].mean()])
    unit = max(float(np.hypot(x[0] - x[1], y[0] - y[1])), float(np.hypot(*(eyes - mouth))))
    return np.array([x.mean() - side * unit / 2, y.mean() - side * unit / 2, side * unit, side * unit])


def cut(img: Image, points: NDArray[np.float64]) -> tuple[Image, Boxes]:
    """What of a photograph the face fills, and the face there, (1, 4) x, y, width, height."""
    left, top, width, height = face_square(points, CUT)
    x1, y1 = max(0, round(left)), max(0, round(top))
    part = img[y1 : round(top + height), x1 : round(left + width)]
    return part, face_square(points, FACE)[np.newaxis] - np.array([x1, y1, 0, 0])


def enlarged(img: Image, faces: Boxes, side: int) -> tuple[Image, Boxes]:
    """Picture and faces with `side` pixels on the longer side."""
    height, width = img.shape[:2]
    scale = side / max(height, width)
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    view = cv2.resize(img, (w, h), interpolation=cv2.INTER_CUBIC)
    return np.asarray(view, np.uint8), faces * (np.array([w, h, w, h]) / [width, height, width, height])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", metavar="DIR")
    parser.add_argument("--photos", type=int, default=100, help="how many (default %(default)s)")
    add_peer_options(parser)
    options = parser.parse_args()
    folder = options.data / "lfw_landmarks"
    if not (labels := folder / "landmarks.csv").is_file():
        parser.error(f"there is no {labels}: name the labelled data with --data")
    peers = peers_asked_for(parser, options)
    detectors = [Detector(f"trt-mtcnn {preset}") for preset in ("accurate", "fast")]
    detectors += [Detector(name, label, **params) for label, (name, params) in peers.items()]
    with labels.open(newline="") as file:
        rows = list(csv.reader(file))[1 : options.photos + 1]
    found: dict[str, dict[int, list[float]]] = {d.name: {side: [] for side in SIDES} for d in detectors}
    with tempfile.TemporaryDirectory() as scratch:
        for i, row in enumerate(track(rows, "faces", console=Console(stderr=True))):
            img = np.asarray(cv2.imread(str(folder / row[0])), np.uint8)
            part, face = cut(img, np.array(row[1:], np.float64))
            for side in SIDES:
                picture, faces = enlarged(part, face, side)
                view = Path(scratch, f"{i}-{side}.npy")
                np.save(view, picture)
                for detector in detectors:
                    dets = np.asarray(detector.call(view, MINSIZE).get("dets", []), np.float64).reshape(-1, 5)
                    found[detector.name][side].append(float(found_faces(dets, faces)[0]))
                view.unlink()
    for detector in detectors:
        detector.close()
    print(f"{machine()}, {len(rows)} faces, minsize {MINSIZE}\n")
    print("| detector | " + " | ".join(f"{side} px" for side in SIDES) + " |\n" + "|---" * (len(SIDES) + 1) + "|")
    weights, one = bootstrap.draws(len(rows)), np.ones(len(rows))
    for name, sides in found.items():
        cells = []
        for hits in sides.values():
            values = bootstrap.interval([bootstrap.share(np.array(hits), one, w) for w in weights])
            cells.append(f"{values.value:.2f} ({values.low:.2f}..{values.high:.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
