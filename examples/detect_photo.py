#!/usr/bin/env python3
"""Finds the faces in a photo, prints them and draws them: python examples/detect_photo.py PHOTO [--output FILE]."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from mtcnn import MtcnnError, TrtMtcnn, draw_faces
from mtcnn.params import DEFAULT_PRESET, PRESETS
from mtcnn.pipeline.read import read_picture
from mtcnn.runtime.text import printable

WARM_CALLS = 30
POINTS = ("left eye", "right eye", "nose", "mouth left", "mouth right")

Array = npt.NDArray[np.float32]


def main() -> int:
    parser = argparse.ArgumentParser(description="Find the faces in a photo, print them and draw them.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--output", type=Path, default=Path("detected.jpg"), help="default %(default)s")
    parser.add_argument("--minsize", type=float, default=40, help="smallest face, pixels (default %(default)s)")
    parser.add_argument("--preset", choices=PRESETS, default=DEFAULT_PRESET, help="default %(default)s")
    options = parser.parse_args()

    try:
        img = read_picture(options.photo)
        if options.output.exists() and options.output.samefile(options.photo):
            raise MtcnnError(f"{options.output} would be overwritten with what is made of it: choose another --output")
        detector = TrtMtcnn(preset=options.preset)
        began = time.perf_counter()
        dets, landmarks = detector.detect(img, options.minsize)
        first = 1000 * (time.perf_counter() - began)
    except (MtcnnError, ValueError) as error:
        sys.exit(printable(str(error)))
    warm = median_ms(detector, img, options.minsize)

    console = Console()
    console.print(table(dets, landmarks))
    height, width = img.shape[:2]
    faces = "1 face" if len(dets) == 1 else f"{len(dets)} faces"

    def say(text: str) -> None:
        console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    say(f"{faces} in {options.photo} ({width}x{height}), preset {options.preset}, minsize {options.minsize:g}")
    say(f"ran on the {'GPU' if detector.device.on_gpu else 'CPU'}: {detector.runtime.partition('-')[0]}")
    say(f"first call {first:.1f} ms, then {warm:.1f} ms (median of {WARM_CALLS})")
    if not cv2.imwrite(str(options.output), draw_faces(img, dets, landmarks)):
        sys.exit(printable(f"cannot write {options.output}"))
    say(f"drawn: {options.output}")
    return 0


def median_ms(detector: TrtMtcnn, img: npt.NDArray[np.uint8], minsize: float) -> float:
    times = []
    for _ in range(WARM_CALLS):
        began = time.perf_counter()
        detector.detect(img, minsize)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def table(dets: Array, landmarks: Array) -> Table:
    rows = Table("score", "x1, y1", "x2, y2", *POINTS, box=None, pad_edge=False, header_style="bold")
    for (x1, y1, x2, y2, score), points in zip(dets, landmarks, strict=True):
        marks = [f"{x:.0f}, {y:.0f}" for x, y in points.reshape(2, 5).T]
        rows.add_row(f"{score:.3f}", f"{x1:.0f}, {y1:.0f}", f"{x2:.0f}, {y2:.0f}", *marks)
    return rows


if __name__ == "__main__":
    sys.exit(main())
