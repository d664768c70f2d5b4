#!/usr/bin/env python3
"""Times `mtcnn align` beside the obvious loop over mtcnn-runtime, in turns.

    python benchmarks/align/align_speed.py FOLDER

Both read each picture, find its faces, align one to 112x96 and write it as PNG, in a process of their own whose
start counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description="Times mtcnn align beside the obvious loop over mtcnn-runtime.")
    parser.add_argument("folder", type=Path, help="of JPEG pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", type=Path, metavar="OUT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        obvious_loop(options.folder, options.loop)
        return 0

    ours = [sys.executable, "-m", "mtcnn", "align", str(options.folder)]
    runners: dict[str, Callable[[str], list[str]]] = {
        'mtcnn align, preset "accurate"': lambda out: [*ours, out],
        'mtcnn align, preset "fast"': lambda out: [*ours, out, "--preset", "fast"],
        "loop over mtcnn-runtime": lambda out: [sys.executable, __file__, str(options.folder), "--loop", out],
    }
    speeds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(options.rounds):
        for name, arguments in runners.items():
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder, "out")
                began = time.perf_counter()
                subprocess.run(arguments(str(out)), check=True, capture_output=True)
                seconds = time.perf_counter() - began
                speeds[name].append(len(list(out.rglob("*.png"))) / seconds)
    json.dump({name: {"crops_a_second": [round(v, 1) for v in values]} for name, values in speeds.items()}, sys.stderr)
    print(file=sys.stderr)
    loop = statistics.median(speeds["loop over mtcnn-runtime"])
    for name, values in speeds.items():
        median = statistics.median(values)
        print(f"{name:32} {median:6.1f} crops/s, {median / loop:.1f} times the loop")
    return 0


def obvious_loop(folder: Path, out: Path) -> None:
    import cv2
    import numpy as np
    from mtcnnruntime import MTCNN

    from mtcnn import FaceAligner

    detector, aligner = MTCNN(), FaceAligner()
    for path in sorted(folder.rglob("*.jpg")):
        img = np.asarray(cv2.imread(str(path)), np.uint8)
        boxes, landmarks = detector.detect(img, min_face_size=40)
        if len(boxes):
            matrix = aligner.transform(landmarks[0])
            target = out / path.relative_to(folder).with_suffix(".png")
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), cv2.warpAffine(img, matrix, (96, 112)))


if __name__ == "__main__":
    sys.exit(main())
